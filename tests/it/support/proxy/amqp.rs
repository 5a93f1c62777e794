//! Frames of AMQP 0-9-1 and the methods that faults are timed by (specification sections 2.3 and 4.2).

use super::{
    Direction,
    wire::{Part, Seen},
};

/// What a client sends first, before any frame: `AMQP` and a version.
const PROTOCOL_HEADER: usize = 8;
/// Type, channel and size before the payload, and one byte after it.
const ENVELOPE: usize = 8;
const METHOD_FRAME: u8 = 1;
const BASIC: u16 = 60;
const CONSUME_OK: u16 = 21;
const PUBLISH: u16 = 40;
const ACK: u16 = 80;

/// Cuts a stream into frames.
#[derive(Debug)]
pub(super) struct Frames {
    direction: Direction,
    header_is_due: bool,
    rest: Vec<u8>,
}

impl Frames {
    pub(super) fn new(direction: Direction) -> Self {
        Self {
            direction,
            header_is_due: direction == Direction::ToServer,
            rest: Vec::new(),
        }
    }

    /// The frames that are complete with `bytes`.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Part> {
        self.rest.extend_from_slice(bytes);
        let mut parts = Vec::new();
        while let Some(length) = self.next_length() {
            let bytes: Vec<u8> = self.rest.drain(..length).collect();
            let seen = if self.header_is_due {
                None
            } else {
                self.recognise(&bytes)
            };
            self.header_is_due = false;
            parts.push(Part { bytes, seen });
        }
        parts
    }

    /// The length of the next frame, none while it is incomplete.
    fn next_length(&self) -> Option<usize> {
        let length = if self.header_is_due {
            PROTOCOL_HEADER
        } else {
            let size = self.rest.get(3..7)?.try_into().ok()?;
            ENVELOPE + usize::try_from(u32::from_be_bytes(size)).ok()?
        };
        (self.rest.len() >= length).then_some(length)
    }

    fn recognise(&self, frame: &[u8]) -> Option<Seen> {
        let number = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
        if frame.first() != Some(&METHOD_FRAME) || number(7)? != BASIC {
            return None;
        }
        match (number(9)?, self.direction) {
            (PUBLISH, Direction::ToServer) => Some(Seen::Publish),
            (ACK, Direction::ToServer) => Some(Seen::Acknowledge),
            (ACK, Direction::ToClient) => Some(Seen::Confirm),
            (CONSUME_OK, Direction::ToClient) => Some(Seen::Subscribed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(class: u16, method: u16) -> Vec<u8> {
        let mut frame = vec![METHOD_FRAME, 0, 1, 0, 0, 0, 6];
        frame.extend(class.to_be_bytes());
        frame.extend(method.to_be_bytes());
        frame.extend([0, 0, 0xCE]);
        frame
    }

    #[test]
    fn frames_are_recognised_however_the_stream_is_cut() {
        let mut stream = b"AMQP\x00\x00\x09\x01".to_vec();
        stream.extend(method(BASIC, PUBLISH));
        stream.extend(method(BASIC, ACK));
        stream.extend(method(10, PUBLISH));
        let mut frames = Frames::new(Direction::ToServer);
        let parts: Vec<Part> = stream
            .iter()
            .flat_map(|byte| frames.read(&[*byte]))
            .collect();
        let seen: Vec<Option<Seen>> = parts.iter().map(|part| part.seen.clone()).collect();
        assert_eq!(
            seen,
            [None, Some(Seen::Publish), Some(Seen::Acknowledge), None]
        );
        let bytes: Vec<u8> = parts.into_iter().flat_map(|part| part.bytes).collect();
        assert_eq!(bytes, stream);
    }

    #[test]
    fn what_the_broker_says_is_told_from_what_the_service_says() {
        let parts = Frames::new(Direction::ToClient).read(&method(BASIC, ACK));
        assert_eq!(parts[0].seen, Some(Seen::Confirm));
        let parts = Frames::new(Direction::ToClient).read(&method(BASIC, CONSUME_OK));
        assert_eq!(parts[0].seen, Some(Seen::Subscribed));
    }
}
