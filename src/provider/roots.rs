//! Which certificates are trusted, and what to say of them when one was not accepted.
//!
//! Owns the user's own bundle. The system's certificates are found by the TLS library, which goes by
//! `SSL_CERT_FILE` and `SSL_CERT_DIR`; that these are set is told, because people forget them.

use std::path::Path;

use reqwest::Certificate;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::{ClientError, Network};

/// The certificates of a PEM file.
pub(super) fn read_bundle(path: &Path) -> Result<Vec<Certificate>, ClientError> {
    let certificates = read(path)?;
    let certificates = certificates.iter().map(|der| Certificate::from_der(der));
    certificates
        .collect::<Result<_, _>>()
        .map_err(|error| refused(path, &error.to_string()))
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let pem = std::fs::read(path).map_err(|error| refused(path, &error.to_string()))?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| refused(path, &error.to_string()))?;
    if certificates.is_empty() {
        return Err(refused(path, "it holds no certificate"));
    }
    Ok(certificates)
}

fn refused(path: &Path, reason: &str) -> ClientError {
    ClientError::CaBundle {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// What somebody whose server was not believed should know of the certificates that are trusted.
pub(super) fn told(network: &Network) -> Option<String> {
    let bundle = network.ca_bundle.as_deref().map(|path| {
        let shown = path.display();
        let certificates = read(path).unwrap_or_default();
        if !certificates.is_empty() && certificates.iter().all(|der| is_leaf(der)) {
            format!(
                "{shown} holds a server's own certificate, not a CA's: give that of the CA that issued it"
            )
        } else {
            format!("trusted are the system's certificates and those of {shown}")
        }
    });
    let variables = network.roots_from.as_ref();
    let variables = variables.map(|set| format!("the system's certificates are read from {set}"));
    let parts: Vec<_> = [bundle, variables].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The extension that says whether a certificate is a CA's (RFC 5280, section 4.2.1.9).
const BASIC_CONSTRAINTS: [u8; 5] = [0x06, 0x03, 0x55, 0x1D, 0x13];
/// TRUE as it stands in a certificate.
const TRUE: [u8; 3] = [0x01, 0x01, 0xFF];
/// The version of certificates that have extensions.
const VERSION_3: [u8; 5] = [0xA0, 0x03, 0x02, 0x01, 0x02];
/// Where the version stands, at the latest: after two headers.
const VERSION_ENDS: usize = 16;

/// Whether it surely is no CA's. Certificates from before there were extensions do not say.
fn is_leaf(der: &[u8]) -> bool {
    let start = &der[..der.len().min(VERSION_ENDS)];
    start
        .windows(VERSION_3.len())
        .any(|bytes| bytes == VERSION_3)
        && !is_ca(der)
}

fn is_ca(der: &[u8]) -> bool {
    let found = der
        .windows(BASIC_CONSTRAINTS.len())
        .position(|bytes| bytes == BASIC_CONSTRAINTS);
    let Some(at) = found else {
        return false;
    };
    let rest = &der[at + BASIC_CONSTRAINTS.len()..];
    // It may be marked as critical. Then come an octet string and, in it, a sequence.
    let rest = rest.strip_prefix(&TRUE).unwrap_or(rest);
    matches!(rest, [0x04, _, 0x30, _, inside @ ..] if inside.starts_with(&TRUE))
}
