//! The steps below HTTP, one at a time, so that a broken one can be named: name resolution and TCP.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::Instant;

use crate::clock;

/// The addresses of a host, in the system's order and each once; an error if there is none within
/// the limit.
pub async fn resolve(host: &str, port: u16, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    let lookup = clock::timeout(limit, lookup_host((host, port)));
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in lookup.await.map_err(|_| too_slow(limit))?? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address",
        ));
    }
    Ok(addresses)
}

/// The first of these addresses that takes a TCP connection within the limit (for all of them
/// together), and how long it took. The connection is closed again.
pub async fn connect(
    addresses: &[SocketAddr],
    limit: Duration,
) -> io::Result<(SocketAddr, Duration)> {
    let started = Instant::now();
    let any = async {
        let stream = TcpStream::connect(addresses).await?;
        stream.peer_addr()
    };
    let peer = clock::timeout(limit, any)
        .await
        .map_err(|_| too_slow(limit))??;
    Ok((peer, started.elapsed()))
}

fn too_slow(limit: Duration) -> io::Error {
    let words = format!("no answer within {} s", limit.as_secs_f32());
    io::Error::new(io::ErrorKind::TimedOut, words)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::{connect, resolve};

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn an_address_is_resolved_to_itself() {
        let addresses = resolve("127.0.0.1", 8080, LIMIT).await.unwrap();
        assert_eq!(addresses, ["127.0.0.1:8080".parse().unwrap()]);
    }

    #[tokio::test]
    async fn an_open_port_takes_a_connection_and_a_closed_one_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(connect(&[address], LIMIT).await.unwrap().0, address);
        drop(listener);
        let error = connect(&[address], LIMIT).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}
