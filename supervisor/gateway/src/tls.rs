//! Mutual TLS: the authority that the file names and no other, and our certificate.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// What a connection needs, from three PEM files.
pub(crate) fn client([ca, certificate, key]: &[String; 3]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(ca)? {
        roots.add(authority).map_err(|wrong| format!("the authority in {ca}: {wrong}"))?;
    }
    let ours = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|wrong| format!("the key in {key} cannot be read: {wrong}"))?;
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|wrong| format!("TLS: {wrong}"))?
        .with_root_certificates(roots)
        .with_client_auth_cert(ours, key)
        .map_err(|wrong| format!("the certificate in {certificate}: {wrong}"))
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |wrong: &dyn std::fmt::Display| {
        format!("the certificate in {path} cannot be read: {wrong}")
    };
    let all = CertificateDer::pem_file_iter(path).map_err(|fault| wrong(&fault))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|fault| wrong(&fault))?;
    if all.is_empty() {
        return Err(wrong(&"there is none in it"));
    }
    Ok(all)
}
