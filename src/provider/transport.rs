//! Broken exchanges: what the HTTP client's error says about where it broke.
//!
//! Owns the reading of `reqwest::Error`. The decision itself is a pure function of what was read,
//! so that every cause is a row of a table.

use std::error::Error;
use std::io;

use super::text::one_line;
use crate::model::{ErrorClass, OUT_OF_FILES};

/// Where an exchange broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The name was not resolved.
    Dns,
    /// No connection was opened: refused, unreachable, proxy, handshake, or not in time.
    Connect,
    /// The server's certificate was not accepted.
    Certificate,
    /// The server refused to speak TLS with us.
    Alert,
    /// The proxy asks for a user and a password, or takes none of ours.
    ProxyLogin,
    /// The time allowed was over.
    Timeout,
    /// The connection broke after the request had begun to leave.
    Cut,
    /// The body's compression was garbage.
    Undecodable,
    /// What came was no HTTP, or had more headers than anybody sends.
    NotHttp,
    /// The request never was one: a fault of ours.
    Unsendable,
    /// This machine lets the process open no more files.
    OutOfFiles,
}

impl Broken {
    /// The class of such a break.
    #[must_use]
    pub fn class(self) -> ErrorClass {
        match self {
            Self::Dns => ErrorClass::Dns,
            // A file that is closed meanwhile makes room, so another try may connect.
            Self::Connect | Self::OutOfFiles => ErrorClass::Connect,
            Self::Certificate | Self::Alert => ErrorClass::Tls,
            Self::ProxyLogin => ErrorClass::WrongEndpoint,
            Self::Timeout => ErrorClass::Timeout,
            Self::Cut => ErrorClass::ConnectionCut,
            Self::Undecodable | Self::NotHttp => ErrorClass::BadResponse,
            Self::Unsendable => ErrorClass::Unknown,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Dns => "the host name could not be resolved",
            Self::Connect => "no connection could be opened",
            Self::Certificate => "the server's certificate was not accepted",
            Self::Alert => "the server refused the secure connection",
            Self::ProxyLogin => PROXY_LOGIN,
            Self::Timeout => "no answer came within the time allowed",
            Self::Cut => "the connection broke before the whole answer had come",
            Self::Undecodable => "the answer's compression is broken",
            Self::NotHttp => "the answer is not HTTP that can be read",
            Self::Unsendable => "the request could not be made",
            Self::OutOfFiles => OUT_OF_FILES,
        }
    }
}

/// What to do where a proxy lets nobody through without a login (407, or the same in SOCKS).
pub(super) const PROXY_LOGIN: &str = "the proxy takes nobody without user and password, or not these: give them in the variable that names it, as http://USER:PASSWORD@HOST:PORT";

/// Where the exchange broke, and why, in one line. The line names no URL.
#[must_use]
pub(super) fn describe_transport(error: &reqwest::Error) -> (Broken, String) {
    let facts = Facts::of(error);
    let broken = facts.broken();
    let meant = match (broken, facts.alert()) {
        (Broken::Alert, Some(alert)) => meaning_of_alert(alert),
        _ => None,
    };
    let line = [broken.words()]
        .into_iter()
        .chain(facts.causes.iter().map(String::as_str))
        .chain(meant);
    let line = line.collect::<Vec<_>>().join(": ");
    (broken, one_line(&line, MAX_LINE))
}

/// Why a client could not be built, in one line.
pub(super) fn causes_of(error: &reqwest::Error) -> String {
    one_line(&Facts::of(error).causes.join(": "), MAX_LINE)
}

/// A chain of causes is a few short sentences; certificate errors are the longest.
const MAX_LINE: usize = 500;

/// What an alert means here and what to do, where its name alone does not say it.
fn meaning_of_alert(alert: &str) -> Option<&'static str> {
    Some(match alert {
        "CertificateRequired" => {
            "it asks for a certificate of ours (mutual TLS), and claude-run has none to show; go through a gateway on this machine that has one"
        }
        "HandshakeFailure" | "BadCertificate" => {
            "it shares no way of encryption with us, or asks for a certificate of ours (mutual TLS), which claude-run does not have"
        }
        "UnrecognisedName" => "it serves no host of the name in the base URL",
        "ProtocolVersion" => "it speaks no TLS from 1.2 on",
        _ => return None,
    })
}

/// Alerts of a server's fault, or of a line that changed bytes on the way: the next try may do.
const PASSING_ALERTS: [&str; 4] = [
    "BadRecordMac",
    "DecryptError",
    "InternalError",
    "UserCanceled",
];

/// What `reqwest` itself says of an error; several may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Builder,
    Dns,
    Connect,
    Timeout,
    Decode,
    /// Said by hyper, further down.
    Parse,
}

/// How rustls words an alert of the server.
const ALERT: &str = "received fatal alert: ";

/// How a tunnel through a proxy (CONNECT) and a SOCKS proxy say that a login is missing or wrong.
const LOGINS: [&str; 3] = [
    "proxy authorization required",
    "server does not support user/pass authentication",
    "SOCKS error: credentials not accepted",
];

/// What the chain of an error tells.
#[derive(Clone, Debug, Default)]
struct Facts {
    signs: Vec<Sign>,
    io_kinds: Vec<io::ErrorKind>,
    /// The causes below the top one, outermost first, without repetitions.
    causes: Vec<String>,
}

impl Facts {
    fn of(error: &reqwest::Error) -> Self {
        let signs = [
            (Sign::Builder, error.is_builder()),
            (Sign::Dns, error.is_dns()),
            (Sign::Connect, error.is_connect()),
            (Sign::Timeout, error.is_timeout()),
            (Sign::Decode, error.is_decode()),
        ];
        let mut facts = Self {
            signs: signs
                .iter()
                .filter(|(_, holds)| *holds)
                .map(|(sign, _)| *sign)
                .collect(),
            ..Self::default()
        };
        // The top of the chain is left out: it shows the URL and says no more than our own words.
        let mut next = error.source();
        while let Some(cause) = next {
            if let Some(io) = cause.downcast_ref::<io::Error>() {
                facts.io_kinds.push(io.kind());
            }
            if cause.downcast_ref().is_some_and(hyper::Error::is_parse) {
                facts.signs.push(Sign::Parse);
            }
            let text = cause.to_string();
            // Wrappers repeat the words of what they wrap.
            let told = facts.causes.iter().any(|before| before.contains(&text));
            // hyper-util's wrapper names the step that our own words name better.
            if !told && !text.starts_with("client error (") && !cause.is::<reqwest::Error>() {
                facts.causes.push(text);
            }
            next = cause.source();
        }
        facts
    }

    fn is(&self, sign: Sign) -> bool {
        self.signs.contains(&sign)
    }

    fn says(&self, fragment: &str) -> bool {
        self.causes.iter().any(|cause| cause.contains(fragment))
    }

    /// The fatal alert that the server sent, in the words of rustls.
    fn alert(&self) -> Option<&str> {
        let after = |cause: &'_ str| cause.find(ALERT).map(|at| at + ALERT.len());
        let (cause, start) = self
            .causes
            .iter()
            .find_map(|cause| Some((cause, after(cause)?)))?;
        let rest = &cause[start..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
        Some(&rest[..end.unwrap_or(rest.len())])
    }

    fn broken(&self) -> Broken {
        // rustls words every rejected certificate this way; a handshake that merely broke off is
        // a failed connection and worth another try.
        if self.says("Too many open files") || self.says("too many open files") {
            Broken::OutOfFiles
        } else if self.says("invalid peer certificate") {
            Broken::Certificate
        } else if self
            .alert()
            .is_some_and(|alert| !PASSING_ALERTS.contains(&alert))
        {
            Broken::Alert
        } else if LOGINS.iter().any(|words| self.says(words)) {
            Broken::ProxyLogin
        } else if self.is(Sign::Builder) {
            Broken::Unsendable
        } else if self.is(Sign::Dns) || self.says("failed to lookup address") {
            // Before the connection: a failed lookup is reported as a failed connection, too.
            Broken::Dns
        } else if self.is(Sign::Connect) {
            Broken::Connect
        } else if self.is(Sign::Timeout) {
            Broken::Timeout
        } else if self.is(Sign::Decode) && self.is_garbage() {
            // A body that was cut fails to decode as well; garbage alone means broken compression.
            Broken::Undecodable
        } else if self.is(Sign::Parse) {
            Broken::NotHttp
        } else {
            Broken::Cut
        }
    }

    /// Decoders call broken data invalid; data that merely ended early was cut.
    fn is_garbage(&self) -> bool {
        self.io_kinds.iter().any(|kind| {
            matches!(
                kind,
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::{Broken, Facts, Sign};

    #[test]
    fn the_place_of_the_break_follows_from_the_facts() {
        use Sign::{Builder, Connect, Decode, Dns, Parse, Timeout};
        let said = |signs: &[Sign], cause: &str| Facts {
            signs: signs.to_vec(),
            io_kinds: Vec::new(),
            causes: vec![cause.to_owned()],
        };
        let decode = |kind| Facts {
            signs: vec![Decode],
            io_kinds: vec![kind],
            causes: Vec::new(),
        };
        let unknown_issuer = "invalid peer certificate: UnknownIssuer";
        let lookup = "failed to lookup address information: Name or service not known";
        let cases = [
            (said(&[Connect], unknown_issuer), Broken::Certificate),
            (
                said(&[], "invalid peer certificate: Expired"),
                Broken::Certificate,
            ),
            // The peer hung up in the middle of the handshake, or speaks no TLS.
            (said(&[Connect], "tls handshake eof"), Broken::Connect),
            (
                said(&[Connect], "received corrupt message"),
                Broken::Connect,
            ),
            (said(&[Connect, Dns], "dns error"), Broken::Dns),
            (said(&[Connect], lookup), Broken::Dns),
            (said(&[Connect], "Connection refused"), Broken::Connect),
            (
                said(&[Connect, Dns], "Too many open files (os error 24)"),
                Broken::OutOfFiles,
            ),
            (
                said(&[Connect], "Too many open files in system (os error 23)"),
                Broken::OutOfFiles,
            ),
            // Not connected in time: nothing was sent, so nothing can have been billed.
            (
                said(&[Connect, Timeout], "operation timed out"),
                Broken::Connect,
            ),
            (said(&[Timeout], "operation timed out"), Broken::Timeout),
            (
                said(&[], "connection closed before message completed"),
                Broken::Cut,
            ),
            (said(&[], "Connection reset by peer"), Broken::Cut),
            (said(&[Parse], "message head is too large"), Broken::NotHttp),
            // A server that speaks no TLS answers the handshake with something else.
            (
                said(&[Connect, Parse], "invalid HTTP version"),
                Broken::Connect,
            ),
            (decode(ErrorKind::InvalidData), Broken::Undecodable),
            (decode(ErrorKind::UnexpectedEof), Broken::Cut),
            (
                said(&[Builder], "relative URL without a base"),
                Broken::Unsendable,
            ),
        ];
        for (facts, expected) in cases {
            assert_eq!(facts.broken(), expected, "{facts:?}");
        }
    }

    #[test]
    fn an_alert_and_a_proxy_without_a_login_stop_everything_but_for_a_passing_fault() {
        use Sign::Connect;
        let said = |signs: &[Sign], cause: &str| Facts {
            signs: signs.to_vec(),
            io_kinds: Vec::new(),
            causes: vec![cause.to_owned()],
        };
        let cases = [
            // Whoever refuses us by an alert will do so again; but not for a fault of its own.
            (
                said(&[Connect], "received fatal alert: HandshakeFailure"),
                Broken::Alert,
            ),
            (
                said(&[], "received fatal alert: CertificateRequired"),
                Broken::Alert,
            ),
            (
                said(&[Connect], "received fatal alert: InternalError"),
                Broken::Connect,
            ),
            (said(&[], "received fatal alert: BadRecordMac"), Broken::Cut),
            (
                said(&[Connect], "proxy authorization required"),
                Broken::ProxyLogin,
            ),
            (
                said(&[Connect], "SOCKS error: credentials not accepted"),
                Broken::ProxyLogin,
            ),
        ];
        for (facts, expected) in cases {
            assert_eq!(facts.broken(), expected, "{facts:?}");
        }
    }
}
