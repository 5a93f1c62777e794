//! HTTP: a plain client, and one that costs next to nothing: requests written by hand (RFC 9112).

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use platform::outbound::{self, Timeouts};
use reqwest::Client;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// A client for the few requests that are not measured.
pub(crate) fn client() -> Result<Client> {
    Ok(outbound::client(Timeouts {
        connect: Duration::from_secs(1),
        request: Duration::from_secs(10),
    })?)
}

/// A connection that sends one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            host: address.to_owned(),
        })
    }

    /// Posts a form and answers the status.
    pub(crate) async fn post(&mut self, path: &str, cookie: &str, form: &str) -> Result<u16> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncookie: {cookie}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            self.host,
            form.len()
        );
        self.exchange(&request).await
    }

    /// Asks for something with a machine's token and answers the status.
    pub(crate) async fn get(&mut self, path: &str, token: &str) -> Result<u16> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n",
            self.host
        );
        self.exchange(&request).await
    }

    async fn exchange(&mut self, request: &str) -> Result<u16> {
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let first = self.line().await?;
        let status = first.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.with_context(|| format!("no answer but {first:?}"))?;
        let mut length = 0;
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            ensure!(
                !name.eq_ignore_ascii_case("transfer-encoding"),
                "an answer in chunks is not expected"
            );
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(status)
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await?;
        ensure!(read > 0, "the connection was closed");
        Ok(line.trim_end().to_owned())
    }
}
