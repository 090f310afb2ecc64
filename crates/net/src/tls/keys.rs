//! Private keys from PEM: PKCS#8, PKCS#1 and SEC1, and password-protected PKCS#8 as `openssl`
//! writes it today (`ENCRYPTED PRIVATE KEY`). The older form, in which a PKCS#1 key names its
//! cipher in a header (`DEK-Info`), is refused by name.

use memchr::memmem;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const BEGIN_ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END_ENCRYPTED: &[u8] = b"-----END ENCRYPTED PRIVATE KEY-----";

/// The first private key in `text`, or why there is none.
pub(super) fn private_key(text: &[u8], password: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if let Some(begin) = memmem::find(text, BEGIN_ENCRYPTED) {
        return decrypt(&text[begin..], password);
    }
    if memmem::find(text, b"Proc-Type: 4,ENCRYPTED").is_some() {
        return Err(
            "the key is encrypted in the old form (DEK-Info); 'openssl pkcs8 -topk8' converts it"
                .into(),
        );
    }
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err("no private key in PEM form".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Decrypts the key in the section that `text` begins with.
fn decrypt(text: &[u8], password: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if password.is_empty() {
        return Err("the key is encrypted and no password is configured for it".into());
    }
    let broken = |why: String| format!("a broken encrypted key: {why}");
    let end = memmem::find(text, END_ENCRYPTED).ok_or_else(|| broken("no end".into()))?;
    let section = std::str::from_utf8(&text[..end + END_ENCRYPTED.len()])
        .map_err(|error| broken(error.to_string()))?;
    let (_, document) =
        SecretDocument::from_pem(section).map_err(|error| broken(error.to_string()))?;
    let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
        .map_err(|error| broken(error.to_string()))?;
    let key = info
        .decrypt(password)
        .map_err(|error| format!("bad decrypt, is the password right? ({error})"))?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -passout pass:1234`.
    const ENCRYPTED: &str = include_str!("testdata/encrypted.key");

    #[test]
    fn an_encrypted_key_opens_with_its_password_alone() {
        let why = |password: &[u8]| private_key(ENCRYPTED.as_bytes(), password).err();
        assert_eq!(why(b"1234"), None);
        let without = why(b"").expect("refused");
        assert!(without.contains("no password"), "{without}");
        let wrong = why(b"12345").expect("refused");
        assert!(wrong.starts_with("bad decrypt"), "{wrong}");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let why = |text: &str| private_key(text.as_bytes(), b"1234").expect_err("refused");
        assert_eq!(why(""), "no private key in PEM form");
        let half = &ENCRYPTED[..ENCRYPTED.len() - 50];
        assert!(why(half).starts_with("a broken encrypted key"));
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n";
        assert!(why(old).contains("openssl pkcs8 -topk8"));
    }
}
