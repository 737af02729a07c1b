//! Which headers leave, which of them are masked, and which certificates are taken.

use std::io::Write;

use reqwest::header::HeaderMap;

use super::{build_client, redactor_of, request_headers};
use crate::provider::{BaseUrl, ClientError, ClientSettings, Credentials, Http};

fn settings() -> ClientSettings {
    let credentials = Credentials::new(Some("sk-ant-hidden"), Some("token-hidden")).unwrap();
    ClientSettings::new("https://api.example", credentials)
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn key_and_token_are_both_sent_with_version_and_workspace() {
    let mut settings = settings();
    settings.workspace_id = Some("wrkspc_1".to_owned());
    let headers = request_headers(&settings).unwrap();
    let expected = [
        ("x-api-key", Some("sk-ant-hidden")),
        ("authorization", Some("Bearer token-hidden")),
        ("anthropic-version", Some("2023-06-01")),
        ("anthropic-workspace-id", Some("wrkspc_1")),
        ("content-type", Some("application/json")),
        ("anthropic-beta", None),
        ("origin", None),
    ];
    for (name, expected) in expected {
        assert_eq!(value(&headers, name), expected, "{name}");
    }
    assert!(!format!("{headers:?}{settings:?}").contains("hidden"));
}

#[test]
fn betas_are_one_header_wherever_they_come_from() {
    let mut settings = settings();
    settings.beta = vec!["a-1".to_owned(), "b-2".to_owned()];
    settings.custom_headers = vec![("Anthropic-Beta".to_owned(), "b-2, c-3".to_owned())];
    let headers = request_headers(&settings).unwrap();
    assert_eq!(value(&headers, "anthropic-beta"), Some("a-1,b-2,c-3"));
}

#[test]
fn custom_headers_replace_ours_but_not_those_of_the_exchange() {
    let mut settings = settings();
    settings.custom_headers = vec![
        ("X-Api-Key".to_owned(), "gateway-hidden".to_owned()),
        (" x-team ".to_owned(), " blue ".to_owned()),
    ];
    let headers = request_headers(&settings).unwrap();
    assert_eq!(value(&headers, "x-api-key"), Some("gateway-hidden"));
    assert_eq!(value(&headers, "x-team"), Some("blue"));
    assert!(!format!("{settings:?}").contains("hidden"));
    for (name, value) in [
        ("Origin", "https://x"),
        ("content-length", "1"),
        ("a b", "hidden"),
        ("", "hidden"),
        ("x-key", "hid\nden"),
    ] {
        settings.custom_headers = vec![(name.to_owned(), value.to_owned())];
        let error = request_headers(&settings).unwrap_err();
        assert!(matches!(error, ClientError::Header { .. }), "{error}");
        assert!(!error.to_string().contains("hid"), "{error}");
    }
}

#[test]
fn a_credential_set_past_the_cleaning_is_cleaned_all_the_same() {
    let mut settings = settings();
    settings.credentials.api_key = Some("\"sk-ant-hidden\"\n".into());
    let headers = request_headers(&settings).unwrap();
    assert_eq!(value(&headers, "x-api-key"), Some("sk-ant-hidden"));
    settings.credentials.api_key = Some("sk-ant hidden".into());
    let error = request_headers(&settings).unwrap_err().to_string();
    assert!(
        error.contains("API key") && !error.contains("hidden"),
        "{error}"
    );
}

#[test]
fn every_secret_header_is_masked_with_and_without_its_scheme() {
    let mut settings = settings();
    settings.custom_headers = vec![
        ("cf-access-client-secret".to_owned(), "abcdef".to_owned()),
        ("x-team".to_owned(), "platform".to_owned()),
        ("x-gate".to_owned(), "0123456789-gate".to_owned()),
    ];
    let redactor = redactor_of(&request_headers(&settings).unwrap());
    assert_eq!(
        redactor.redact("Bearer token-hidden, token-hidden, abcdef, platform, 0123456789-gate"),
        "[redacted], [redacted], [redacted], platform, [redacted]"
    );
}

#[test]
fn a_certificate_file_must_hold_certificates() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"no certificate").unwrap();
    let mut settings = settings();
    let base = BaseUrl::parse(&settings.base_url).unwrap();
    for path in [file.path().to_owned(), "/nowhere/ca.pem".into()] {
        settings.network.ca_bundle = Some(path.clone());
        let error = build_client(&settings, &base).unwrap_err();
        assert!(matches!(error, ClientError::CaBundle { .. }), "{error}");
        assert!(error.to_string().contains(&*path.to_string_lossy()));
    }
}

#[test]
fn a_bundle_and_either_protocol_make_a_client() {
    let mut settings = settings();
    let base = BaseUrl::parse(&settings.base_url).unwrap();
    let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/src/provider/http/test_ca.pem");
    settings.network.ca_bundle = Some(bundle.into());
    for http in [Http::Auto, Http::Http1] {
        settings.http = http;
        build_client(&settings, &base).unwrap();
    }
}
