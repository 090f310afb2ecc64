//! Why a value is refused, in Redis's wording.

pub use russet_base::text::system_text;

/// Why a directive refuses a value. `Display` is what Redis prints under the line in a fatal
/// start, and after the dash in `CONFIG SET failed (...) - reason`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("wrong number of arguments")]
    ArgumentCount,
    #[error("argument must be 'yes' or 'no'")]
    NotYesOrNo,
    #[error("argument couldn't be parsed into an integer")]
    NotAnInteger,
    #[error("argument must be a memory value")]
    NotMemory,
    #[error("argument must be a memory or percent value")]
    NotMemoryOrPercent,
    #[error("argument couldn't be parsed as an octal number")]
    NotOctal,
    #[error("argument must be between {min} and {max} inclusive")]
    OutOfRange { min: String, max: String },
    #[error("percentage argument must be less or equal to 100")]
    PercentTooLarge,
    #[error("argument(s) must be one of the following: {0}")]
    NotOneOf(String),
    #[error("argument must not contain a NUL byte")]
    NulByte,
    #[error("Invalid locale name")]
    NoSuchLocale,
    #[error("processors must be numbers and ranges with commas between them, such as 0-3,8")]
    NoProcessors,
    #[error("dbfilename can't be a path, just a filename")]
    DbFilenameIsPath,
    #[error("appendfilename can't be empty")]
    AofFilenameEmpty,
    #[error("appendfilename can't be a path, just a filename")]
    AofFilenameIsPath,
    #[error("appenddirname can't be empty")]
    AofDirnameEmpty,
    #[error("appenddirname can't be a path, just a dirname")]
    AofDirnameIsPath,
    #[error("backupdirname can't be empty")]
    BackupDirnameEmpty,
    #[error("backupdirname can't be a path, just a dirname")]
    BackupDirnameIsPath,
    #[error("argument must be in the format '[aof|rdb]:[filename]'")]
    PreloadForm,
    #[error("preload-file must end with an extension")]
    PreloadExtension,
    #[error("the delimiter must be one byte")]
    NotOneByte,
    #[error("Hostnames must be less than 256 characters")]
    HostnameTooLong,
    #[error("Hostnames may only contain alphanumeric characters, hyphens or dots")]
    HostnameCharacter,
    #[error("Hostnames for cluster-announce-ip must be less than 46 characters")]
    AnnouncedIpTooLong,
    #[error("Announced human node name contained invalid character")]
    NodeNameCharacter,
    #[error("template format is invalid or contains unknown variables")]
    BadTemplate,
    #[error("shutdown options SAVE and NOSAVE can't be used simultaneously")]
    SaveAndNosave,
    #[error("Invalid save parameters")]
    BadSavePoint,
    #[error("Wrong number of arguments in buffer limit configuration.")]
    BufferLimitCount,
    #[error("Invalid client class specified in buffer limit configuration.")]
    BufferLimitClass,
    #[error("Error in hard, soft or soft_seconds setting in buffer limit configuration.")]
    BufferLimitNumber,
    #[error("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")]
    OomScore,
    #[error("Invalid event class character. Use 'Ag$lshzxeKEtmdnocaSTIV'.")]
    EventClass,
    /// The same in Valkey's dialect.
    #[error("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")]
    ValkeyEventClass,
    #[error("Too many bind addresses specified.")]
    TooManyAddresses,
    #[error("Invalid IPv4 address")]
    NotIpv4,
    #[error("Invalid IPv6 address")]
    NotIpv6,
    #[error("Invalid IP address or CIDR subnet")]
    NotSubnets,
    #[error("argument must be a list of IP addresses or networks, as 10.0.0.0/8")]
    NotNetworks,
    #[error("argument must be a list of names of hosts, without ports")]
    NotHostNames,
    #[error("Invalid master port")]
    BadPrimaryPort,
    #[error("Invalid latency-tracking-info-percentiles parameters")]
    NotAPercentile,
    #[error("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")]
    PercentileOutOfRange,
    #[error("argument must be a number between 0 and 1")]
    NotAnErrorRate,
    #[error("argument must be a multiple of 8 between 48 and 1048576")]
    NotAChunkSize,
    #[error("argument must be a number that is not negative")]
    NegativeDifference,
    #[error(
        "argument must be rules 'aggregator:bucket:retention[:align]' with ';' between them, each \
         time a number with a unit: m (milliseconds), s, M (minutes), h or d"
    )]
    NotACompactionPolicy,
    #[error("argument must be between 0 and 15, or 80")]
    RdbVersion,
    #[error("array-slice-size must be a power of two")]
    SliceSize,
    #[error("array-sparse-kmin must be less than array-sparse-kmax")]
    SparseMin,
    #[error("array-sparse-kmax must be greater than array-sparse-kmin when non-zero")]
    SparseMax,
    /// The operating system's message, for example `No such file or directory`.
    #[error("{0}")]
    System(String),
}

impl ValueError {
    /// The system's message for an error, without Rust's `(os error 2)`.
    pub fn system(error: &std::io::Error) -> ValueError {
        ValueError::System(system_text(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_carry_no_number() {
        let error = std::io::Error::from_raw_os_error(libc::ENOENT);
        assert_eq!(
            ValueError::system(&error).to_string(),
            "No such file or directory"
        );
    }
}
