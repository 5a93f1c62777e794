//! Messages of PostgreSQL's frontend and the statements they run (protocol 3.0, "Message Formats").

use std::collections::HashMap;

use super::wire::{Part, Seen};

/// The code of a start-up message; before it there may be questions for encryption.
const PROTOCOL_3: u32 = 196_608;

/// The beginning of running a prepared statement.
const BIND: u8 = b'B';

/// The end of what belongs to one statement: only then is it run for good, outside of a transaction.
const SYNC: u8 = b'S';

/// Cuts what a client sends into messages and knows the text of its prepared statements.
#[derive(Debug, Default)]
pub(super) struct Statements {
    started: bool,
    rest: Vec<u8>,
    /// A prepared statement that is run, as far as it has come.
    running: Option<Part>,
    prepared: HashMap<Vec<u8>, String>,
    /// The statements since the last commit or rollback.
    transaction: String,
}

impl Statements {
    /// The messages that are complete with `bytes`; those that run a prepared statement are one part.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Part> {
        self.rest.extend_from_slice(bytes);
        let mut parts = Vec::new();
        while let Some(length) = self.next_length() {
            let message: Vec<u8> = self.rest.drain(..length).collect();
            parts.extend(self.part(message));
        }
        parts
    }

    /// The part that is complete with `message`, if one is.
    fn part(&mut self, message: Vec<u8>) -> Option<Part> {
        let kind = message.first().copied();
        if let Some(mut running) = self.running.take() {
            running.bytes.extend(message);
            if kind == Some(SYNC) {
                return Some(running);
            }
            self.running = Some(running);
            return None;
        }
        let seen = if self.started {
            self.recognise(&message).map(|text| self.note(text))
        } else {
            self.started = number(&message, 4) == Some(PROTOCOL_3);
            None
        };
        let begins = kind == Some(BIND) && seen.is_some();
        let part = Part {
            bytes: message,
            seen,
        };
        if begins {
            self.running = Some(part);
            return None;
        }
        Some(part)
    }

    /// The length of the next message, none while it is incomplete; the first ones have no type.
    fn next_length(&self) -> Option<usize> {
        let kind = usize::from(self.started);
        let length = kind + usize::try_from(number(&self.rest, kind)?).ok()?;
        (self.rest.len() >= length).then_some(length)
    }

    /// What running a statement of this text is.
    fn note(&mut self, text: String) -> Seen {
        match text.as_str() {
            "COMMIT" => Seen::Commit(std::mem::take(&mut self.transaction)),
            "BEGIN" | "ROLLBACK" => {
                self.transaction.clear();
                Seen::Statement(text)
            }
            _ => {
                self.transaction.push_str(&text);
                Seen::Statement(text)
            }
        }
    }

    /// The text of the statement that a message runs, if it runs one.
    fn recognise(&mut self, message: &[u8]) -> Option<String> {
        let (kind, body) = (message.first()?, message.get(5..)?);
        let mut texts = body.split(|byte| *byte == 0);
        match *kind {
            b'Q' => Some(text(texts.next()?)),
            // Parse: a name and the statement.
            b'P' => {
                let (name, statement) = (texts.next()?, texts.next()?);
                self.prepared.insert(name.to_vec(), text(statement));
                None
            }
            // A portal and the name of a statement. An execution follows.
            BIND => {
                let name = texts.nth(1)?;
                self.prepared.get(name).cloned()
            }
            _ => None,
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], length.as_slice(), body].concat()
    }

    #[test]
    fn a_prepared_statement_is_recognised_each_time_it_is_run() {
        let ssl_request = [0, 0, 0, 8, 4, 210, 22, 47];
        let start = [0, 0, 0, 9, 0, 3, 0, 0, 0];
        let run = [
            message(b'B', b"\0s1\0\0\0\0\0\0\0"),
            message(b'E', b"\0\0\0\0\0"),
            message(b'S', b""),
        ]
        .concat();
        let stream = [
            ssl_request.to_vec(),
            start.to_vec(),
            message(b'P', b"s1\0DELETE FROM outbox\0\0\0"),
            message(b'S', b""),
            run.clone(),
            message(b'Q', b"COMMIT\0"),
            run.clone(),
        ]
        .concat();
        let mut statements = Statements::default();
        let parts: Vec<Part> = stream
            .chunks(3)
            .flat_map(|bytes| statements.read(bytes))
            .collect();
        let whole: Vec<u8> = parts.iter().flat_map(|part| part.bytes.clone()).collect();
        assert_eq!(whole, stream);
        // Held or passed on as a whole: half a statement is none.
        assert_eq!(parts.last().map(|part| &part.bytes), Some(&run));
        let seen: Vec<Seen> = parts.into_iter().filter_map(|part| part.seen).collect();
        let statement = |text: &str| Seen::Statement(text.to_owned());
        assert_eq!(
            seen,
            [
                statement("DELETE FROM outbox"),
                Seen::Commit("DELETE FROM outbox".to_owned()),
                statement("DELETE FROM outbox")
            ]
        );
    }
}
