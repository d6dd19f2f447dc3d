//! TLS: whose certificates are believed.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, Result};

/// Chooses the cryptography for drivers that ask for the process's own.
pub fn install() {
    // Somebody was first: with the same.
    let _ = ring::default_provider().install_default();
}

/// A client that believes the certificates in a file (PEM), else those of the operating system.
pub fn client(ca: Option<&Path>) -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::Usage("no version of TLS can be used"))?;
    Ok(builder.with_root_certificates(roots(ca)?).with_no_client_auth())
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore> {
    let certificates = match ca {
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|_| Error::Usage("the file of trusted certificates cannot be read"))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 && ca.is_some() {
        return Err(Error::Usage("the file of trusted certificates has none"));
    }
    Ok(roots)
}
