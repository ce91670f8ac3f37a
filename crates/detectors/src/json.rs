//! Records of one message: a JSON document, an array, JSON Lines, or documents
//! one after the other.
//!
//! Arrays are handed on element by element, so a message of many records never
//! stands in memory as one tree, and what was readable before a truncation is
//! still read. Depth ends at serde_json's limit of 128, the size of one record
//! at [`VALUES_MAX`]; both make a broken record. Reasons give a position and
//! never quote the input, which may be a secret.

mod value;

use std::{ops::ControlFlow, rc::Rc};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use zeroize::Zeroizing;

use self::value::{Copied, Entry, sign};
pub use self::value::{Map, Text, Value};
use crate::envelope;

/// Values in one record. A 16 MiB SARIF report, which is one record, has fewer;
/// 16 MiB of `1,1,1` has more and would take half a gigabyte.
const VALUES_MAX: usize = 2_000_000;

/// One thing found in a message.
pub enum Found {
    /// A whole document, or one line of JSON Lines.
    Document(Value),
    /// An element of an array at the top.
    Element(Value),
    /// Not JSON from here on, or one line that is not.
    Broken(String),
}

/// Hands every record of `bytes` to `take`, in order and out of its envelope,
/// until it breaks off. An empty array hands over nothing.
pub fn each(bytes: &[u8], take: &mut dyn FnMut(Found) -> ControlFlow<()>) {
    each_sent(bytes, &mut |found, _| take(found));
}

/// The same, with the time of the envelope beside each record that had one.
pub fn each_sent(bytes: &[u8], take: &mut dyn FnMut(Found, Option<&Value>) -> ControlFlow<()>) {
    carried(bytes, &mut |found| match found {
        Found::Document(value) => envelope::open(value, take),
        Found::Element(value) => envelope::open(value, &mut |found, sent| match found {
            Found::Document(value) => take(Found::Element(value), sent),
            other => take(other, sent),
        }),
        Found::Broken(reason) => take(Found::Broken(reason), None),
    });
}

/// The records as they came, envelopes and all.
fn carried(bytes: &[u8], take: &mut dyn FnMut(Found) -> ControlFlow<()>) {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        let _ = take(Found::Broken("the message is UTF-16; send JSON as UTF-8 (RFC 8259)".into()));
        return;
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes).trim_ascii();
    if bytes.is_empty() {
        let _ = take(Found::Broken("the message is empty".into()));
        return;
    }
    if is_lines(bytes) {
        // One copy serves every line whose texts are gone when the next is read.
        let (mut copy, mut scratch) = (Copied::default(), Scratch::default());
        for line in lines(bytes) {
            let found = match line_of(line, &mut copy, scratch.cleared()) {
                Ok(value) => Found::Document(value),
                Err(error) => Found::Broken(format!("this line is not JSON: {error}")),
            };
            if take(found).is_break() {
                return;
            }
        }
        return;
    }
    let mut stopped = false;
    let copied = copied(bytes);
    if let Err(error) = documents(bytes, copied.as_ref(), take, &mut stopped)
        && !stopped
    {
        let _ = take(Found::Broken(format!("not JSON, and nothing after it is read: {error}")));
    }
}

/// Documents one after the other.
fn documents(
    bytes: &[u8],
    of: Option<&Copied>,
    take: &mut dyn FnMut(Found) -> ControlFlow<()>,
    stopped: &mut bool,
) -> Result<(), serde_json::Error> {
    let is_all = match of {
        Some(copied) => {
            let mut input = serde_json::Deserializer::from_str(copied);
            (Top { take, stopped, of }).deserialize(&mut input)?;
            input.end().is_ok()
        }
        None => {
            let mut input = serde_json::Deserializer::from_slice(bytes);
            (Top { take, stopped, of }).deserialize(&mut input)?;
            input.end().is_ok()
        }
    };
    if *stopped || is_all {
        return Ok(());
    }
    // Where each of the others ends is asked of a stream. A deserializer that is asked
    // whether it is at its end counts lines from the start, which made a message of many
    // documents cost the square of its length.
    let mut ends = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    ends.next().transpose()?;
    loop {
        let from = ends.byte_offset();
        let Some(whole) = ends.next() else { return Ok(()) };
        let to = if whole.is_ok() { ends.byte_offset() } else { bytes.len() };
        let top = Top { take, stopped, of };
        match of {
            Some(copied) => top.deserialize(&mut serde_json::Deserializer::from_str(&copied[from..to]))?,
            None => top.deserialize(&mut serde_json::Deserializer::from_slice(&bytes[from..to]))?,
        };
        if *stopped {
            return Ok(());
        }
        whole?;
    }
}

/// The copy that all texts of a record are ranges of; `None` where it is no
/// text, so that what is whole in it is copied text by text.
fn copied(bytes: &[u8]) -> Option<Copied> {
    std::str::from_utf8(bytes).ok().map(|text| Rc::new(Zeroizing::new(text.to_owned())))
}

/// Reads one line into `copy`, or into a new one while a text of the last line is
/// still held. A copy that has to grow is replaced: what grows moves, and leaves
/// behind what nobody wipes.
fn line_of(line: &[u8], copy: &mut Copied, scratch: &mut Scratch) -> Result<Value, serde_json::Error> {
    let Ok(text) = std::str::from_utf8(line) else {
        return whole(serde_json::Deserializer::from_slice(line), None, scratch);
    };
    match Rc::get_mut(copy).filter(|copy| copy.capacity() >= text.len()) {
        Some(copy) => {
            copy.clear();
            copy.push_str(text);
        }
        None => {
            let mut roomy = Zeroizing::new(String::with_capacity(text.len().next_power_of_two()));
            roomy.push_str(text);
            *copy = Rc::new(roomy);
        }
    }
    whole(serde_json::Deserializer::from_str(copy), Some(copy), scratch)
}

/// Reads one JSON text, as it stands nested in a string.
pub fn document(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut scratch = Scratch::default();
    match copied(bytes) {
        Some(copied) => whole(serde_json::Deserializer::from_str(&copied), Some(&copied), scratch.cleared()),
        None => whole(serde_json::Deserializer::from_slice(bytes), None, scratch.cleared()),
    }
}

fn whole<'de, R: serde_json::de::Read<'de>>(
    mut input: serde_json::Deserializer<R>,
    of: Option<&Copied>,
    scratch: &mut Scratch,
) -> Result<Value, serde_json::Error> {
    let value = Node { scratch, of }.deserialize(&mut input)?;
    input.end()?;
    Ok(value)
}

/// JSON Lines is what is no single document and has an object on at least half
/// of its lines, so one broken line spoils only itself.
fn is_lines(bytes: &[u8]) -> bool {
    let (mut all, mut objects) = (0_usize, 0_usize);
    for line in lines(bytes) {
        all += 1;
        objects += usize::from(is_object(line));
    }
    all > 1 && objects * 2 >= all && serde_json::from_slice::<IgnoredAny>(bytes).is_err()
}

/// How much of the beginning of a longer message may be read on its own and says
/// the same there: whole lines, two or more, each of them an object. `None` where
/// another line is among them.
pub fn whole_lines(bytes: &[u8]) -> Option<usize> {
    let to = memchr::memrchr(b'\n', bytes)? + 1;
    let (mut all, mut objects) = (0_usize, 0_usize);
    for line in lines(&bytes[..to]) {
        all += 1;
        objects += usize::from(is_object(line));
    }
    (objects > 1 && objects == all).then_some(to)
}

fn is_object(line: &[u8]) -> bool {
    line.starts_with(b"{") && line.ends_with(b"}")
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let from = rest?;
        let (line, after) = match memchr::memchr(b'\n', from) {
            Some(end) => (&from[..end], Some(&from[end + 1..])),
            None => (from, None),
        };
        rest = after;
        Some(line)
    })
    .map(<[u8]>::trim_ascii)
    .filter(|line| !line.is_empty())
}

/// A document at the top: an array is streamed, all else is one record.
struct Top<'a> {
    take: &'a mut dyn FnMut(Found) -> ControlFlow<()>,
    stopped: &'a mut bool,
    of: Option<&'a Copied>,
}

impl Top<'_> {
    fn hand(&mut self, found: Found) {
        *self.stopped = (self.take)(found).is_break();
    }
}

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let mut scratch = Scratch::default();
        while let Some(value) = items.next_element_seed(Node { scratch: scratch.cleared(), of: self.of })? {
            self.hand(Found::Element(value));
            if *self.stopped {
                // The rest stays unread; whoever called looks at `stopped` first.
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        let value = Node { scratch: Scratch::default().cleared(), of: self.of }.visit_map(map)?;
        self.hand(Found::Document(value));
        Ok(())
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.hand(Found::Document(Value::Null));
        Ok(())
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        self.hand(Found::Document(Value::Bool(value)));
        Ok(())
    }

    fn visit_i64<E: Error>(mut self, value: i64) -> Result<(), E> {
        self.hand(Found::Document(Value::Number(value.into())));
        Ok(())
    }

    fn visit_u64<E: Error>(mut self, value: u64) -> Result<(), E> {
        self.hand(Found::Document(Value::Number(value.into())));
        Ok(())
    }

    fn visit_f64<E: Error>(mut self, value: f64) -> Result<(), E> {
        self.hand(Found::Document(Number::from_f64(value).map_or(Value::Null, Value::Number)));
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.hand(Found::Document(text.into()));
        Ok(())
    }
}

/// What one record is read with.
#[derive(Default)]
struct Scratch {
    /// How many more values it may have.
    left: usize,
    /// Fields of the objects that are not whole yet, the innermost last, so that
    /// each object is as big as it must be and none grows.
    fields: Vec<Entry>,
}

impl Scratch {
    /// Cleared for the next record.
    fn cleared(&mut self) -> &mut Self {
        self.left = VALUES_MAX;
        self.fields.clear();
        self
    }
}

/// A value that counts what it holds.
struct Node<'a> {
    scratch: &'a mut Scratch,
    of: Option<&'a Copied>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        match self.scratch.left.checked_sub(1) {
            Some(left) => self.scratch.left = left,
            None => return Err(D::Error::custom(format!("one record has more than {VALUES_MAX} values"))),
        }
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Value, E> {
        Key { of: self.of }.visit_borrowed_str(text).map(Value::String)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Node { scratch: &mut *self.scratch, of: self.of })? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let before = self.scratch.fields.len();
        while let Some((sign, key)) = map.next_key_seed(Name(Key { of: self.of }))? {
            let value = map.next_value_seed(Node { scratch: &mut *self.scratch, of: self.of })?;
            self.scratch.fields.push(Entry::of(sign, key, value));
        }
        let fields = &mut self.scratch.fields;
        let own = match before {
            // Splitting off all of it would take its room away.
            0 => {
                let mut own = Vec::with_capacity(fields.len());
                own.append(fields);
                own
            }
            _ => fields.split_off(before),
        };
        Ok(Value::Object(Map::settled(own)))
    }
}

/// A key and its sign, made while the text is at hand.
struct Name<'a>(Key<'a>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = (u32, Text);
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(u32, Text), D::Error> {
        input.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = (u32, Text);

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(f)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(u32, Text), E> {
        Ok((sign(text.as_bytes()), self.0.visit_borrowed_str(text)?))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(u32, Text), E> {
        Ok((sign(text.as_bytes()), self.0.visit_str(text)?))
    }
}

/// A text, as a range of what it was read from where it stands there as it is.
struct Key<'a> {
    of: Option<&'a Copied>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Text;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Text, D::Error> {
        input.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Text;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text, E> {
        Ok(self.of.map_or_else(|| Text::from(text), |of| Text::part(of, text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::from(text))
    }
}
