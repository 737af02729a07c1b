//! The way out of the machine: proxies by every variable and of every kind, and TLS that fails. What
//! `doctor` says of the way is what requests do.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::harness::{Desk, Output, plain_jobs};

/// A host that no name server knows, and no proxy of ours asks one.
const ELSEWHERE: &str = "http://api.invalid";
const PASSWORD: &str = "pass-hidden";

fn desk(base_url: &str) -> Desk {
    let mut desk = Desk::new();
    desk.set("ANTHROPIC_BASE_URL", base_url);
    desk.set("CLAUDE_RUN_INSECURE_HTTP", "1");
    desk.write("jobs.jsonl", plain_jobs(2));
    desk
}

fn submit(desk: &Desk, flags: &[&str]) -> Output {
    let line = ["submit", "jobs.jsonl", "--retry-scale", "0.01"];
    desk.run(&[&line, flags].concat())
}

fn simulator_of(desk: &Desk) -> SocketAddr {
    let url = desk.simulator.base_url();
    url.trim_start_matches("http://").parse().unwrap()
}

/// Whatever is shown of the way out, no credential of the proxy is in it.
fn assert_no_password(desk: &Desk) {
    for line in [
        &["config"][..],
        &["config", "--json"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let output = desk.run(line);
        let told = format!("{}{}", output.stdout, output.stderr);
        assert!(!told.contains(PASSWORD), "{line:?}: {told}");
    }
}

#[test]
fn an_empty_proxy_variable_counts_as_unset_beside_the_other_of_its_pair() {
    for (empty, set) in [
        ("HTTP_PROXY", "http_proxy"),
        ("HTTP_PROXY", "ALL_PROXY"),
        ("ALL_PROXY", "all_proxy"),
        ("http_proxy", "HTTP_PROXY"),
    ] {
        let mut desk = desk(ELSEWHERE);
        let proxy = desk.simulator.base_url();
        desk.set(empty, "");
        // As a file with Windows' line ends has it, and copied with its quotes.
        desk.set(set, &format!("\"{proxy}\"\r"));
        submit(&desk, &[]).expect(0);
        assert_eq!(desk.simulator.log().len(), 2, "{empty} {set}");
        let found = desk.run(&["doctor"]).stdout;
        assert!(found.contains(&format!("{proxy} ({set})")), "{found}");
    }
}

#[test]
fn no_proxy_is_honoured() {
    let mut desk = desk(ELSEWHERE);
    desk.set("HTTP_PROXY", &desk.simulator.base_url());
    for exception in ["api.invalid", ".invalid", "other, invalid", "*"] {
        desk.set("NO_PROXY", exception);
        submit(&desk, &["--new-run"])
            .expect(4)
            .says(&["unreachable"]);
        assert_eq!(desk.simulator.log().len(), 0, "{exception}");
    }
    desk.set("NO_PROXY", "pi.invalid");
    submit(&desk, &["--new-run"]).expect(0);
}

#[test]
fn a_proxy_of_no_known_kind_is_refused_at_the_start_and_doctor_says_the_same() {
    for (value, words) in [
        (
            "ftp://me:pass-hidden@127.0.0.1:1",
            "`ftp://` is no kind of proxy",
        ),
        ("socks6://127.0.0.1:1", "`socks6://` is no kind of proxy"),
        ("http://me:pass-hidden#x@127.0.0.1:1", "is no address"),
        ("http://", "is no address"),
    ] {
        let mut desk = desk(ELSEWHERE);
        desk.set("http_proxy", value);
        let refused = submit(&desk, &[]).expect(2).clear_error();
        let said = refused.stderr.clone();
        refused.says(&["http_proxy", words, "socks5h://HOST:PORT"]);
        assert!(!said.contains(PASSWORD), "{said}");
        desk.assert_no_run();
        desk.run(&["doctor"]).expect(1);
        let found = desk.run(&["doctor"]).stdout;
        assert!(found.contains(words), "{found}");
        assert_no_password(&desk);
        // Where it would not be used it is in nobody's way.
        desk.set("ANTHROPIC_BASE_URL", &desk.simulator.base_url());
        submit(&desk, &[]).expect(0);
    }
}

/// A SOCKS5 proxy (RFC 1928, 1929) that leads everywhere to one place.
struct Socks {
    address: SocketAddr,
    /// The hosts that it was asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Socks {
    fn to(upstream: SocketAddr, login: Option<(&'static str, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || {
                    let _ = lead(client, upstream, login, &seen);
                });
            }
        });
        Self { address, asked }
    }
}

fn lead(
    mut client: TcpStream,
    upstream: SocketAddr,
    login: Option<(&str, &str)>,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let methods = counted(&mut client, 1)?;
    let wanted = if login.is_some() { 2 } else { 0 };
    if !methods.contains(&wanted) {
        return client.write_all(&[5, 0xFF]);
    }
    client.write_all(&[5, wanted])?;
    if let Some((user, password)) = login {
        let given = (counted(&mut client, 1)?, counted(&mut client, 0)?);
        let is_good = given == (user.as_bytes().to_vec(), password.as_bytes().to_vec());
        client.write_all(&[1, u8::from(!is_good)])?;
        if !is_good {
            return Ok(());
        }
    }
    let mut head = [0; 4];
    client.read_exact(&mut head)?;
    let host = match head[3] {
        3 => String::from_utf8_lossy(&counted(&mut client, 0)?).into_owned(),
        _ => "an address".to_owned(),
    };
    client.read_exact(&mut [0; 2])?;
    seen.lock().unwrap().push(host);
    let mut server = TcpStream::connect(upstream)?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// So many bytes to pass over, then a length, and that many bytes.
fn counted(from: &mut TcpStream, passed: usize) -> std::io::Result<Vec<u8>> {
    let mut head = vec![0; passed + 1];
    from.read_exact(&mut head)?;
    let mut bytes = vec![0; usize::from(head[passed])];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn a_socks_proxy_is_gone_through_and_looks_names_up_itself() {
    for (login, user_info) in [(None, ""), (Some(("me", PASSWORD)), "me:pass-hidden@")] {
        let mut desk = desk(ELSEWHERE);
        let socks = Socks::to(simulator_of(&desk), login);
        desk.set(
            "ALL_PROXY",
            &format!("socks5h://{user_info}{}", socks.address),
        );
        submit(&desk, &[]).expect(0);
        assert_eq!(desk.only_run()["jobs"]["succeeded"], 2);
        let asked = socks.asked.lock().unwrap().clone();
        assert!(!asked.is_empty());
        assert!(asked.iter().all(|host| host == "api.invalid"), "{asked:?}");
        let doctor = desk.run(&["doctor"]).expect(0).stdout;
        let shown = format!("socks5h://{} (ALL_PROXY)", socks.address);
        assert!(doctor.contains(&shown), "{doctor}");
        assert_no_password(&desk);
    }
}

#[test]
fn a_proxy_that_takes_no_login_of_ours_halts_and_says_where_to_put_it() {
    let mut desk = desk(ELSEWHERE);
    let socks = Socks::to(simulator_of(&desk), Some(("me", "another")));
    let words = [
        "wrong_endpoint",
        "the proxy takes nobody without user and password",
    ];
    for user_info in ["", "me:pass-hidden@"] {
        desk.set(
            "ALL_PROXY",
            &format!("socks5h://{user_info}{}", socks.address),
        );
        let halted = submit(&desk, &["--new-run"]).expect(4);
        assert!(!halted.stderr.contains(PASSWORD), "{}", halted.stderr);
        halted.says(&words);
    }
    assert_no_password(&desk);
    desk.unset("ALL_PROXY");
    // The same of a proxy that speaks HTTP: for a plain request, and for a tunnel (CONNECT).
    let http = answering(
        "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    for (base, variable) in [
        (ELSEWHERE, "HTTP_PROXY"),
        ("https://api.invalid", "HTTPS_PROXY"),
    ] {
        desk.set("ANTHROPIC_BASE_URL", base);
        desk.set(variable, &format!("http://me:pass-hidden@{http}"));
        let halted = submit(&desk, &["--new-run"]).expect(4);
        assert!(!halted.stderr.contains(PASSWORD), "{}", halted.stderr);
        halted.says(&words);
    }
    assert_no_password(&desk);
}

/// A server that gives every request the same answer.
fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut request = vec![0; 64 * 1024];
                let _ = client.read(&mut request);
                let _ = client.write_all(answer.as_bytes());
                let _ = client.shutdown(Shutdown::Write);
                let _ = client.read(&mut request);
            });
        }
    });
    address
}

/// TLS in front of a simulator, with a certificate of `tests/tls/ca.pem`.
struct Tls {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

fn pem(name: &str) -> String {
    format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

impl Tls {
    fn before(upstream: SocketAddr, asks_for_certificate: bool) -> Self {
        let certificate = |name| CertificateDer::from_pem_file(pem(name)).unwrap();
        let config = if asks_for_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(certificate("ca.pem")).unwrap();
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
            ServerConfig::builder().with_client_cert_verifier(verifier.unwrap())
        } else {
            ServerConfig::builder().with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_file(pem("server.key")).unwrap();
        let config = config.with_single_cert(vec![certificate("server.pem")], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let bound = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = bound.unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(acceptor.clone(), client, upstream));
            }
        });
        Self {
            address,
            _runtime: runtime,
        }
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

async fn carry(acceptor: TlsAcceptor, client: tokio::net::TcpStream, upstream: SocketAddr) {
    match acceptor.accept(client).into_fallible().await {
        Ok(mut client) => {
            let mut server = tokio::net::TcpStream::connect(upstream).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
        Err((_, mut client)) => {
            // What was sent meanwhile is read: else the alert may be lost to a reset.
            let _ = client.read_to_end(&mut Vec::new()).await;
        }
    }
}

#[test]
fn a_server_that_asks_for_a_client_certificate_halts_as_tls_and_says_so() {
    let mut desk = desk(ELSEWHERE);
    let tls = Tls::before(simulator_of(&desk), true);
    desk.set("ANTHROPIC_BASE_URL", &tls.url());
    let trusting = ["--ca-bundle", &pem("ca.pem")];
    submit(&desk, &trusting).expect(4).says(&[
        "halted: tls",
        "the server refused the secure connection",
        "asks for a certificate of ours",
    ]);
    assert_eq!(desk.only_run()["jobs"]["failed"], 0);
    assert_eq!(desk.simulator.log().len(), 0);
}

#[test]
fn variables_that_replace_the_system_s_certificates_are_named() {
    let mut desk = desk(ELSEWHERE);
    let tls = Tls::before(simulator_of(&desk), false);
    desk.set("ANTHROPIC_BASE_URL", &tls.url());
    let other = format!(
        "{}/src/provider/http/test_ca.pem",
        env!("CARGO_MANIFEST_DIR")
    );
    desk.set("SSL_CERT_FILE", &other);
    let named = format!("the system's certificates are read from SSL_CERT_FILE={other}");
    submit(&desk, &[]).expect(4).says(&["halted: tls", &named]);
    let doctor = desk.run(&["doctor"]).expect(1).stdout;
    assert!(doctor.contains(&named), "{doctor}");
    desk.set("SSL_CERT_FILE", "/nowhere/ca.pem");
    let named = "SSL_CERT_FILE=/nowhere/ca.pem";
    submit(&desk, &["--new-run"])
        .expect(2)
        .clear_error()
        .says(&[named]);
    desk.set("SSL_CERT_FILE", &pem("ca.pem"));
    submit(&desk, &["--new-run"]).expect(0);
}

#[test]
fn a_server_s_own_certificate_given_as_that_of_a_ca_is_called_so() {
    let mut desk = desk(ELSEWHERE);
    let tls = Tls::before(simulator_of(&desk), false);
    desk.set("ANTHROPIC_BASE_URL", &tls.url());
    let leaf = pem("server.pem");
    let words = format!("{leaf} holds a server's own certificate, not a CA's");
    submit(&desk, &["--ca-bundle", &leaf]).expect(4).says(&[
        "halted: tls",
        &words,
        "that of the CA that issued it",
    ]);
    submit(&desk, &["--ca-bundle", &pem("ca.pem")]).expect(0);
}
