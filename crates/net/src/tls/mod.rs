//! TLS: rustls between a socket and the plaintext that the rest of the server sees.
//!
//!   - `materials`: certificates, keys and authorities from files, and the rustls configuration.
//!     Built completely or not at all; connections keep the materials that they began with.
//!   - `keys`: private keys, also encrypted; `ciphers`: OpenSSL's names for rustls's ciphers.
//!   - `verify`: trust in a peer's certificate; `resume`: session resumption.
//!   - `certificate`: serial number, validity and names in a certificate; `usage`: its permitted
//!     usage.
//!   - `link`: a connection: records in and out, without a buffer while nothing waits.
//!
//! Access control, logging and reloading of files are the server's business.
//!
//! # TLS
//!
//! A connection under TLS is a `Stream` like any other. `Stream::fill` returns how many bytes came,
//! and whether there may be more for which no event will come; for `TlsLink` (`net/tls/link.rs`)
//! that is also so while it holds plaintext that did not fit. `TlsLink` drives rustls without
//! rustls's buffers: ciphertext is read into one buffer that all connections share and decrypted
//! there; replies are encrypted into another. A connection itself holds only an incomplete record,
//! and ciphertext that the socket did not take (`Stream::flush`, which `Loop::flush` treats like
//! its own pending bytes). Both buffers are freed when they are empty.
//!
//! A step of a handshake costs up to a thousand times as much as a command. Clients whose handshake
//! can continue wait in a queue, and a turn serves its share of them (`run/handshake.rs`), at least
//! one step. With I/O threads (`net/io_thread`) they take the steps, with the same share of each of
//! their rounds, and the loop gets the peer's certificate. After the last step `Server::admit`
//! refuses a stranger, or logs the client in by its certificate (`Acl::log_in_by_certificate`).
//!
//! Files become materials in three steps (`net/tls/materials.rs`): settings, contents, rustls's
//! configurations; all of them or none. `server/parts/clients/tls` installs them, at the start, for
//! CONFIG SET, and from a thread that checks the files at intervals. Connections keep the materials
//! they began with; sessions to be resumed end with them.

mod certificate;
mod ciphers;
mod faults;
mod keys;
mod link;
mod materials;
mod resume;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod usage;
mod verify;

use std::path::PathBuf;

pub use certificate::Certificate;
pub use faults::file_faults;
pub use link::TlsLink;
pub use materials::{
    Authentication, CertificateFacts, CertificateFiles, Files, Materials, Settings, Trust,
    client_alone, client_trusting,
};

/// Why TLS cannot be set up. `Display` is the log line, in Redis's wording if Redis logs it, too.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// TLS is in use without a certificate.
    #[error("No tls-cert-file configured!")]
    NoCertificate,
    /// There is a certificate, but no key.
    #[error("No tls-key-file configured!")]
    NoKey,
    /// Peers are to be verified, but no authorities are configured.
    #[error(
        "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, \
         tls-replication or tls-auth-clients are enabled!"
    )]
    NoAuthorities,
    /// A certificate's file cannot be read, or holds none.
    #[error("Failed to load certificate: {}: {why}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The system's error, or the fault in its content.
        why: String,
    },
    /// A private key cannot be read, or is not the certificate's.
    #[error("Failed to load private key: {}: {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The system's error, or the fault in its content.
        why: String,
    },
    /// A certificate is outside of its validity.
    #[error("{owner} TLS certificate is invalid ({why}): {}. Aborting TLS configuration.", path.display())]
    Invalid {
        /// `Server`, `Client` or `Alternative`.
        owner: &'static str,
        /// Since when, or until when, it is not valid.
        why: String,
        /// The file.
        path: PathBuf,
    },
    /// The authorities cannot be read, or none of them can be used: path and reason.
    #[error("Failed to configure CA certificate(s) file/directory: {0}")]
    Authorities(String),
    /// An authority is outside of its validity: path and reason.
    #[error("One or more loaded CA certificates are invalid ({0}). Aborting TLS configuration.")]
    InvalidAuthorities(String),
    /// `tls-ciphers` selects none: the unknown words, or the whole list.
    #[error(
        "Failed to configure ciphers: {0} (russet has ECDHE with AES-GCM and ChaCha20-Poly1305)"
    )]
    Ciphers(String),
    /// `tls-ciphersuites` has only these names, all unknown.
    #[error(
        "Failed to configure ciphersuites: {0} (russet has TLS_AES_256_GCM_SHA384, \
         TLS_AES_128_GCM_SHA256 and TLS_CHACHA20_POLY1305_SHA256)"
    )]
    Suites(String),
    /// `tls-groups` has this name, or none at all.
    #[error("Failed to configure groups: {0} (russet has X25519, prime256v1 and secp384r1)")]
    Groups(String),
    /// `tls-protocols` has this version, which rustls does not support.
    #[error("{0} is specified in tls-protocols but not supported.")]
    OldProtocol(String),
    /// `tls-protocols` has a word that is no version of TLS.
    #[error(
        "Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and \
         'TLSv1.3'."
    )]
    UnknownProtocol,
    /// rustls refuses the configuration.
    #[error("Failed to configure TLS: {0}")]
    Other(#[from] rustls::Error),
}

impl TlsError {
    /// Whether a file is the cause, which [`file_faults`] finds as well.
    pub fn is_of_file(&self) -> bool {
        matches!(
            self,
            TlsError::Certificate { .. }
                | TlsError::Key { .. }
                | TlsError::Invalid { .. }
                | TlsError::Authorities(_)
                | TlsError::InvalidAuthorities(_)
        )
    }
}
