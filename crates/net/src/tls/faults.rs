//! Every file of TLS that is at fault, for `--check-config`: a start ends at the first.

use std::path::Path;

use rustls::crypto::ring;

use super::TlsError;
use super::materials::{
    CertificateFiles, Files, Settings, authorities, certified_key, read_authorities, read_file,
};

/// The files that cannot be read, or whose content cannot be used at `now` (Unix seconds), each
/// with the directive that names it. Empty if all can be used, or none is set.
pub fn file_faults(settings: &Settings, now: i64) -> Vec<(&'static str, TlsError)> {
    let mut found = Vec::new();
    for (owner, directives, files) in [
        (
            "Server",
            ["tls-cert-file", "tls-key-file"],
            &settings.server,
        ),
        (
            "Alternative",
            ["tls-alt-cert-file", "tls-alt-key-file"],
            &settings.alternative,
        ),
        (
            "Client",
            ["tls-client-cert-file", "tls-client-key-file"],
            &settings.client,
        ),
    ] {
        found.extend(pair_faults(owner, directives, files, now));
    }
    let none = Path::new("");
    for (directive, file, dir) in [
        ("tls-ca-cert-file", settings.ca_file.as_path(), none),
        ("tls-ca-cert-dir", none, settings.ca_dir.as_path()),
    ] {
        let read = read_authorities(file, dir).and_then(|read| {
            let files = Files {
                authorities: read,
                ..Files::default()
            };
            authorities(settings, &files, now)
        });
        found.extend(read.err().map(|error| (directive, error)));
    }
    found
}

/// Of a certificate and its key: both files if neither can be read, otherwise the first fault.
fn pair_faults(
    owner: &'static str,
    [of_certificate, of_key]: [&'static str; 2],
    files: &CertificateFiles,
    now: i64,
) -> Vec<(&'static str, TlsError)> {
    let (certificate, key) = (&files.certificate, &files.key);
    let is_set = |path: &Path| !path.as_os_str().is_empty();
    let texts = [certificate, key].map(|path| is_set(path).then(|| read_file(path)));
    if let [Some(Ok(certificate)), Some(Ok(key))] = &texts {
        let pair = [certificate.clone(), key.clone()];
        let made = certified_key(owner, files, &pair, &ring::default_provider(), now);
        let named = |error: TlsError| match error {
            TlsError::Key { .. } => (of_key, error),
            error => (of_certificate, error),
        };
        return made.err().map(named).into_iter().collect();
    }
    let mut found = Vec::new();
    let [of_first, of_second] = texts;
    if let Some(Err(why)) = of_first {
        let path = certificate.clone();
        found.push((of_certificate, TlsError::Certificate { path, why }));
    }
    if let Some(Err(why)) = of_second {
        let path = key.clone();
        found.push((of_key, TlsError::Key { path, why }));
    }
    found
}
