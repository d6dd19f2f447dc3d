//! Why a vault is sealed, in words for the DBA.

use std::fmt;

use bunker_core::crypto::MasterKeyError;

/// Why there is no usable master key. Carries nothing of the key itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SealedReason {
    /// None of the three settings is set.
    NoKey,
    /// More than one of them is.
    SeveralSources,
    /// The text is no key.
    NotAKey(MasterKeyError),
    /// There is white space besides the end of the line.
    WhiteSpace,
    /// The key opens no entry of the keyring.
    WrongMasterKey,
    /// An inline key in a server that does not preload the library.
    SettingWithoutPreload,
    /// There is no such file.
    FileMissing,
    /// The server may not read the file.
    FileUnreadable,
    /// The path leads to a directory, a FIFO, a device.
    NotAFile,
    /// Group or others have permissions on the file.
    FileExposed,
    /// File or output is longer than any key.
    TooLong,
    /// The command did not run or did not succeed.
    CommandFailed,
    /// The command took too long.
    CommandTimeout,
}

impl fmt::Display for SealedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKey => "no master key is configured",
            Self::SeveralSources => "more than one source of the master key is configured",
            Self::NotAKey(error) => return write!(f, "the master key is not usable: {error}"),
            Self::WhiteSpace => "there is white space around the master key",
            Self::WrongMasterKey => "this is not the vault's master key",
            Self::SettingWithoutPreload => {
                "databunker.master_key was readable before the library was loaded"
            }
            Self::FileMissing => "the master key file does not exist",
            Self::FileUnreadable => "the master key file cannot be read",
            Self::NotAFile => "the master key file is not a regular file",
            Self::FileExposed => "group or others have access to the master key file",
            Self::TooLong => "the master key's source holds more than a key",
            Self::CommandFailed => "the master key command failed",
            Self::CommandTimeout => "the master key command took too long",
        })
    }
}

impl SealedReason {
    /// What the DBA can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NoKey => {
                "Set databunker.master_key_file (or master_key, or master_key_command) in \
                 postgresql.conf and reload; SELECT bunker_generate_key() makes a key."
            }
            Self::SeveralSources => {
                "Keep one of databunker.master_key, master_key_file and master_key_command."
            }
            Self::WhiteSpace => {
                "One newline may end the key. Spaces, further lines and the carriage returns of \
                 Windows editors are not accepted."
            }
            Self::NotAKey(_) => "A key is 64 hex digits, or base64 of 32 bytes, on one line.",
            Self::WrongMasterKey => "Give back the master key that the vault was set up with.",
            Self::SettingWithoutPreload => {
                "Any role could have read that key: rotate it. Then add databunker to \
                 shared_preload_libraries, or use databunker.master_key_file."
            }
            Self::FileMissing => "Check databunker.master_key_file.",
            Self::FileUnreadable => {
                "The file must be readable by the operating-system user of the server."
            }
            Self::NotAFile => "Directories, FIFOs and devices are not accepted.",
            Self::FileExposed => "Run chmod 0600 on the file.",
            Self::TooLong => "It must hold nothing but the key.",
            Self::CommandFailed => {
                "It must print the key on standard output and exit with status 0."
            }
            Self::CommandTimeout => "It has ten seconds.",
        }
    }
}
