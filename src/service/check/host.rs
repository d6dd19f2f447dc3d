//! The key's source in the file system, and what the operating system may do with our memory.
//!
//! No finding tells where the key is: bunker_dpo, who may not know, reads them too.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Resource, geteuid, getrlimit};

use super::values::Values;
use super::{Finding, Severity};
use crate::guc;

const FILE: &str = "databunker.master_key_file";

/// Permissions of group and others.
const EXPOSED: u32 = 0o077;
/// Group or others may write.
const WRITABLE: u32 = 0o022;
/// In a folder that all may write to, each may move his own files only.
const STICKY: u32 = 0o1000;

/// What files and process give away.
pub fn findings(values: &Values) -> Vec<Finding> {
    let mut found = Vec::new();
    if getrlimit(Resource::Core).current != Some(0) {
        found.push(finding(
            Severity::Warning,
            "core dumps",
            "a crash may write keys and profiles from memory into a file",
            "Set LimitCORE=0 for the service, or ulimit -c 0 before it starts.",
        ));
    }
    if guc::master_key().is_some() {
        found.push(finding(
            Severity::Warning,
            "databunker.master_key",
            "the master key stands in postgresql.conf, which backups and administrators read",
            "Move it into a file of its own, and set databunker.master_key_file.",
        ));
    }
    if guc::master_key_command().is_some() {
        found.push(finding(
            Severity::Info,
            "databunker.master_key_command",
            "the command's text shows in the process list while it runs, and in postgresql.conf",
            "Put no secret into it.",
        ));
    }
    if let Some(path) = guc::master_key_file() {
        found.extend(of_key_file(Path::new(&path), values));
    }
    found
}

fn finding(
    severity: Severity,
    setting: &'static str,
    finding: &'static str,
    remedy: &'static str,
) -> Finding {
    Finding { severity, setting, finding: finding.to_owned(), remedy }
}

/// What is wrong around a key file. One that cannot be found at all seals the vault, which is a
/// finding of its own.
fn of_key_file(path: &Path, values: &Values) -> Vec<Finding> {
    let (Ok(file), Ok(path)) = (fs::metadata(path), fs::canonicalize(path)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if file.mode() & EXPOSED != 0 {
        found.push(finding(
            Severity::Critical,
            FILE,
            "group or others have access to the master key file",
            "Run chmod 0600 on it.",
        ));
    }
    if !is_trusted(&file) {
        found.push(finding(
            Severity::Critical,
            FILE,
            "the master key file belongs to another user than the server's",
            "Run chown on it: to the server's user, or to root.",
        ));
    }
    if path.ancestors().skip(1).filter_map(|folder| fs::metadata(folder).ok()).any(is_open) {
        found.push(finding(
            Severity::Warning,
            FILE,
            "somebody else can replace the master key file: a folder on its path is his, or he may \
             write to it",
            "Keep it where only root and the server's user may write.",
        ));
    }
    if values
        .text("data_directory")
        .and_then(|d| fs::canonicalize(d).ok())
        .is_some_and(|data| path.starts_with(data))
    {
        found.push(finding(
            Severity::Warning,
            FILE,
            "the master key file is in the data directory, and so in every physical backup",
            "Move it out of the data directory.",
        ));
    }
    found
}

/// Whether a file belongs to the server's user, or to root.
fn is_trusted(file: &Metadata) -> bool {
    file.uid() == geteuid().as_raw() || file.uid() == 0
}

/// Whether somebody else may put another file into the place of one in this folder.
fn is_open(folder: Metadata) -> bool {
    !is_trusted(&folder) || (folder.mode() & WRITABLE != 0 && folder.mode() & STICKY == 0)
}
