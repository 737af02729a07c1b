//! What runtimes say when a connection fails, and where it broke.

use crate::provider::Broken;

/// The first that is part of the text decides. Sources: the texts of rustls, hyper, OpenSSL, the
/// C library's resolver, Node.js (with undici), and Python's requests and httpx.
const FRAGMENTS: &[(Broken, &[&str])] = &[
    (
        Broken::Certificate,
        &[
            "invalid peer certificate",
            "certificate verify failed",
            "certificate_verify_failed",
            "certificate was not accepted",
            "certificate has expired",
            "cert_has_expired",
            "self signed certificate",
            "self-signed certificate",
            "self_signed_cert",
            "unable to get local issuer certificate",
            "unable_to_get_issuer_cert",
            "unable to verify the first certificate",
            "unable_to_verify_leaf_signature",
            "err_tls_cert_altname_invalid",
            "hostname mismatch",
            "unknown ca",
            "unknownissuer",
        ],
    ),
    (
        Broken::Alert,
        &[
            "received fatal alert",
            "tlsv1 alert",
            "tlsv13 alert",
            "sslv3 alert",
            "ssl alert number",
            "remote error: tls",
            "the server refused the secure connection",
        ],
    ),
    (
        Broken::ProxyLogin,
        &[
            "proxy authorization required",
            "proxy authentication required",
            "the proxy takes nobody without user and password",
        ],
    ),
    (
        Broken::Dns,
        &[
            "enotfound",
            "eai_again",
            "eai_noname",
            "eai_nodata",
            "getaddrinfo",
            "gaierror",
            "name or service not known",
            "nodename nor servname",
            "name resolution",
            "nameresolutionerror",
            "failed to lookup address",
            "could not resolve host",
            "host name could not be resolved",
            "no address associated with hostname",
            "dns error",
            "no such host",
        ],
    ),
    (
        Broken::Connect,
        &[
            "econnrefused",
            "connection refused",
            "actively refused",
            "ehostunreach",
            "enetunreach",
            "enetdown",
            "network is unreachable",
            "no route to host",
            "no connection could be opened",
            "und_err_connect_timeout",
            "connect timeout",
            "connecttimeout",
            "connect etimedout",
            "connection timed out",
            "proxyerror",
            "tunnel connection failed",
            "tls handshake",
            "ssl handshake",
            "ssl_connect",
            "wrong_version_number",
            "wrong version number",
            "all connection attempts failed",
        ],
    ),
    (
        Broken::Timeout,
        &[
            "etimedout",
            "esockettimedout",
            "und_err_headers_timeout",
            "und_err_body_timeout",
            "readtimeout",
            "read timed out",
            "timed out",
            "timeout exceeded",
            "deadline exceeded",
            "no answer came within the time allowed",
            "apitimeouterror",
            "apiconnectiontimeouterror",
        ],
    ),
    (
        Broken::Cut,
        &[
            "econnreset",
            "econnaborted",
            "epipe",
            "connection reset",
            "connection aborted",
            "broken pipe",
            "socket hang up",
            "other side closed",
            "und_err_socket",
            "remoteprotocolerror",
            "remotedisconnected",
            "remote end closed connection",
            "server disconnected",
            "peer closed connection",
            "incomplete chunked read",
            "incompleteread",
            "connection closed before message completed",
            "connection broke before",
            "unexpected eof",
            "premature close",
            "goaway",
            "stream error received",
            "http2 error",
        ],
    ),
];

/// Where the exchange broke, if the text (in lower case) says so.
pub(super) fn find(lower: &str) -> Option<Broken> {
    let says = |(_, fragments): &&(Broken, &[&str])| {
        fragments.iter().any(|fragment| lower.contains(fragment))
    };
    FRAGMENTS.iter().find(says).map(|(broken, _)| *broken)
}
