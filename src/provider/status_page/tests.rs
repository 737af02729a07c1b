//! What is read from a page, and what tells nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{MAX_PAGE_BYTES, StatusPage, read_summary};
use crate::model::{Indicator, PageStatus};
use crate::provider::{Network, StatusSource};
use crate::simulator::{self, Simulator, SimulatorSettings};

const MAJOR: &str = r#"{"status":{"indicator":"major"}}"#;

/// A server that gives every connection this answer; it hangs if that is empty.
async fn serve(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut hanging = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            if answer.is_empty() {
                hanging.push(socket);
                continue;
            }
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}")
}

fn http(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

async fn ask(urls: &[&str]) -> PageStatus {
    let urls: Vec<_> = urls.iter().map(|url| (*url).to_owned()).collect();
    StatusPage::new(&urls, &Network::default())
        .unwrap()
        .ask()
        .await
}

fn simulated(indicator: simulator::Indicator, challenge: bool) -> Simulator {
    Simulator::start(SimulatorSettings {
        status_page: simulator::ImitatedPage {
            indicator,
            challenge,
        },
        ..SimulatorSettings::default()
    })
    .unwrap()
}

#[tokio::test]
async fn a_page_is_read_with_incident_and_component() {
    let quiet = simulated(simulator::Indicator::None, false);
    let status = ask(&[&quiet.base_url()]).await;
    assert_eq!(status.indicator, Indicator::None);
    assert_eq!(status.incident, None);
    assert_eq!(status.component.as_deref(), Some("operational"));

    let broken = simulated(simulator::Indicator::Critical, false);
    let status = ask(&[&broken.base_url()]).await;
    assert_eq!(status.indicator, Indicator::Critical);
    assert_eq!(
        status.incident.as_deref(),
        Some("Elevated errors (simulated)")
    );
    assert_eq!(status.component.as_deref(), Some("major_outage"));
}

#[tokio::test]
async fn what_is_no_status_is_unknown() {
    let challenge = simulated(simulator::Indicator::Major, true);
    assert_eq!(ask(&[&challenge.base_url()]).await, PageStatus::default());

    let padding = " ".repeat(MAX_PAGE_BYTES);
    for answer in [
        http("500 Internal Server Error", "", MAJOR),
        http(
            "405 Method Not Allowed",
            "content-type: text/html\r\n",
            "<html>",
        ),
        http("204 No Content", "", ""),
        http("200 OK", "content-type: text/html\r\n", "<html>"),
        http("200 OK", "", "{"),
        http("200 OK", "", "[]"),
        http("200 OK", "", r#"{"status":{"indicator":7}}"#),
        http("200 OK", "", r#"{"status":{"indicator":"on fire"}}"#),
        http("200 OK", "", &format!("{MAJOR}{padding}")),
    ] {
        let page = serve(answer.clone()).await;
        let status = ask(&[&page]).await;
        assert_eq!(status, PageStatus::default(), "{answer:?}");
    }
    assert_eq!(ask(&[]).await, PageStatus::default());
}

#[tokio::test]
async fn the_next_page_is_asked_when_one_tells_nothing() {
    let challenge = simulated(simulator::Indicator::None, true);
    let second = serve(http("200 OK", "", MAJOR)).await;
    let status = ask(&[&challenge.base_url(), &second]).await;
    assert_eq!(status.indicator, Indicator::Major);
}

#[tokio::test]
async fn a_page_that_hangs_is_left() {
    let hanging = serve(String::new()).await;
    let second = serve(http("200 OK", "", MAJOR)).await;
    let page = StatusPage::new(&[hanging, second], &Network::default()).unwrap();
    let status = page.with_timeout(Duration::from_millis(200)).ask().await;
    assert_eq!(status.indicator, Indicator::Major);
}

#[tokio::test]
async fn two_redirects_are_followed_and_no_third() {
    let mut url = serve(http("200 OK", "", MAJOR)).await;
    for (hops, told) in [
        (1, Indicator::Major),
        (2, Indicator::Major),
        (3, Indicator::Unknown),
    ] {
        let location = format!("location: {url}\r\n");
        url = serve(http("302 Found", &location, "")).await;
        assert_eq!(ask(&[&url]).await.indicator, told, "{hops}");
    }
}

#[test]
fn the_worst_open_incident_is_named() {
    let summary = r#"{"status":{"indicator":"none"},
        "incidents":[
            {"name":"small","impact":"minor","status":"investigating","resolved_at":null},
            {"name":"big \n one","impact":"major","status":"identified"},
            {"name":"as big","impact":"major","status":"identified"},
            {"name":"over","impact":"critical","status":"resolved"},
            {"name":"past","impact":"critical","status":"monitoring","resolved_at":"2026-11-01T00:00:00Z"},
            {"name":7,"impact":[]}],
        "components":[{"name":"claude.ai","status":"major_outage"},
            {"name":"Claude API (api.anthropic.com)","status":"operational"}]}"#;
    let status = read_summary(summary.as_bytes()).unwrap();
    assert_eq!(status.indicator, Indicator::None);
    assert_eq!(status.incident.as_deref(), Some("big one"));
    assert_eq!(status.component.as_deref(), Some("operational"));
}

#[test]
fn maintenance_under_way_shows_where_nothing_worse_does() {
    let page = |indicator: &str, status: &str| {
        let text = format!(
            r#"{{"status":{{"indicator":"{indicator}"}},
                "scheduled_maintenances":[{{"name":"upgrade","status":"{status}"}}]}}"#
        );
        read_summary(text.as_bytes()).unwrap()
    };
    let under_way = page("none", "in_progress");
    assert_eq!(under_way.indicator, Indicator::Maintenance);
    assert_eq!(under_way.incident.as_deref(), Some("upgrade"));
    assert_eq!(page("none", "scheduled").indicator, Indicator::None);
    assert_eq!(page("major", "in_progress").indicator, Indicator::Major);
}

proptest::proptest! {
    #[test]
    fn no_body_makes_the_reader_panic(body in proptest::collection::vec(0_u8.., 0..200)) {
        let _ = read_summary(&body);
    }
}
