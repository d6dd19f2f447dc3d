//! Where the master key comes from: a setting, a file or a command.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bunker_core::crypto::MasterKey;
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use crate::error::SealedReason;
use crate::{guc, pg};

/// More than any key with white space around it.
const MAX_KEY_TEXT: u64 = 4096;
/// How long a key command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// The same in the audit writer, for whom others wait meanwhile.
const COMMAND_TIMEOUT_OF_WRITER: Duration = Duration::from_secs(2);
/// How often a running key command is looked at.
const COMMAND_POLL: Duration = Duration::from_millis(2);

/// Which setting gives the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// `databunker.master_key`
    Setting,
    /// `databunker.master_key_file`
    File,
    /// `databunker.master_key_command`
    Command,
}

impl SourceKind {
    /// The name that `bunker_status()` shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Setting => "setting",
            Self::File => "file",
            Self::Command => "command",
        }
    }
}

/// The one source that is configured. Two at once would leave open which key is meant.
pub fn configured() -> Result<SourceKind, SealedReason> {
    let setting = guc::master_key().is_some();
    let file = guc::master_key_file().is_some();
    let command = guc::master_key_command().is_some();
    match (setting, file, command) {
        (true, false, false) => Ok(SourceKind::Setting),
        (false, true, false) => Ok(SourceKind::File),
        (false, false, true) => Ok(SourceKind::Command),
        (false, false, false) => Err(SealedReason::NoKey),
        _ => Err(SealedReason::SeveralSources),
    }
}

/// Reads the master key from its source.
pub fn load() -> Result<MasterKey, SealedReason> {
    let text = match configured()? {
        SourceKind::Setting => from_setting()?,
        SourceKind::File => from_file(&guc::master_key_file().unwrap_or_default())?,
        SourceKind::Command => from_command(&guc::master_key_command().unwrap_or_default())?,
    };
    // Editors and `echo` end a line. Anything more is a sign of a file that was mangled on its way.
    let key = text.strip_suffix(b"\n").unwrap_or(&text);
    if key.iter().any(u8::is_ascii_whitespace) {
        return Err(SealedReason::WhiteSpace);
    }
    MasterKey::parse(key).map_err(SealedReason::NotAKey)
}

/// Before the library is loaded, a setting of its is an ordinary one that any role can SHOW.
fn from_setting() -> Result<Zeroizing<Vec<u8>>, SealedReason> {
    if !pg::setting::preloaded() {
        return Err(SealedReason::SettingWithoutPreload);
    }
    guc::master_key().ok_or(SealedReason::NoKey)
}

fn from_file(path: &str) -> Result<Zeroizing<Vec<u8>>, SealedReason> {
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
        .open(path)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => SealedReason::FileMissing,
            _ => SealedReason::FileUnreadable,
        })?;
    let metadata = file.metadata().map_err(|_| SealedReason::FileUnreadable)?;
    if !metadata.is_file() {
        return Err(SealedReason::NotAFile);
    }
    // As PostgreSQL asks of a private TLS key, but without its exception for root's group.
    if metadata.mode() & 0o077 != 0 {
        return Err(SealedReason::FileExposed);
    }
    if metadata.len() > MAX_KEY_TEXT {
        return Err(SealedReason::TooLong);
    }
    read_text(file)
}

/// Reads at most one byte more than a key can have.
fn read_text(source: impl Read) -> Result<Zeroizing<Vec<u8>>, SealedReason> {
    // Reserved at once, so that no copy of a half-read key is left behind by a growing buffer.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_KEY_TEXT as usize + 1));
    source
        .take(MAX_KEY_TEXT + 1)
        .read_to_end(&mut text)
        .map_err(|_| SealedReason::FileUnreadable)?;
    if text.len() as u64 > MAX_KEY_TEXT {
        return Err(SealedReason::TooLong);
    }
    Ok(text)
}

fn from_command(command: &str) -> Result<Zeroizing<Vec<u8>>, SealedReason> {
    let mut running = Running::start(command)?;
    let output = running.child.stdout.take();
    running.wait()?;
    let text = read_text(output.ok_or(SealedReason::CommandFailed)?)?;
    running.succeeded = true;
    Ok(text)
}

/// A key command. Unless it succeeds, whatever the shell started ends with the scope, also when the
/// backend is cancelled meanwhile.
struct Running {
    child: Child,
    succeeded: bool,
}

impl Running {
    fn start(command: &str) -> Result<Self, SealedReason> {
        let child = Command::new("/bin/sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A group of its own, so that what the shell started can be ended with it.
            .process_group(0)
            .spawn()
            .map_err(|_| SealedReason::CommandFailed)?;
        Ok(Self { child, succeeded: false })
    }

    /// Waits for success. What a key command prints fits into the pipe, so nothing has to be read
    /// before it ends; one that prints more blocks, and times out.
    fn wait(&mut self) -> Result<(), SealedReason> {
        let started = Instant::now();
        let limit =
            if pg::background::is_worker() { COMMAND_TIMEOUT_OF_WRITER } else { COMMAND_TIMEOUT };
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(_)) | Err(_) => return Err(SealedReason::CommandFailed),
                Ok(None) if started.elapsed() > limit => {
                    return Err(SealedReason::CommandTimeout);
                }
                Ok(None) => {
                    pg::session::check_for_interrupts();
                    sleep(COMMAND_POLL);
                }
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.succeeded {
            // An error means that the group has gone already.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
