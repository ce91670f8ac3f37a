//! One record as a tree that copies no text.
//!
//! A record's bytes are copied once and every text of it is a range of that
//! copy, so a key or a value costs no allocation of its own; what was escaped
//! has a copy of its own. A copy is wiped when the last text of it goes, because
//! it may have held a secret: no reader can forget it. Objects keep the order of
//! their keys; big ones are searched by a sorted index, so that an object of a
//! million keys costs no more a field than a small one.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    fmt,
    ops::{self, Deref},
    rc::Rc,
    str::FromStr,
};

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::Number;
use zeroize::Zeroizing;

/// From how many keys on an object is searched by its index.
const INDEXED_FROM: usize = 64;

/// Any JSON value.
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(Text),
    Array(Vec<Value>),
    Object(Map),
}

const NULL: &Value = &Value::Null;

/// What several texts are ranges of.
pub type Copied = Rc<Zeroizing<String>>;

/// A text of a record, or of one's own making.
#[derive(Clone)]
pub struct Text {
    of: Copied,
    from: u32,
    to: u32,
}

impl Text {
    /// The part of `of` that `part` is, or its own copy where it is none.
    pub fn part(of: &Copied, part: &str) -> Self {
        let from = (part.as_ptr() as usize).wrapping_sub(of.as_ptr() as usize);
        match (u32::try_from(from), u32::try_from(from.saturating_add(part.len()))) {
            (Ok(from), Ok(to)) if to as usize <= of.len() => Self { of: Rc::clone(of), from, to },
            _ => Self::from(part),
        }
    }

    #[inline]
    pub fn as_str(&self) -> &str {
        &self.of[self.from as usize..self.to as usize]
    }

    /// The same as bytes, for a look that needs no text.
    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.of.as_bytes()[self.from as usize..self.to as usize]
    }
}

impl Deref for Text {
    type Target = str;
    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for Text {
    /// A text of more than 4 GiB is empty: no message is as long.
    fn from(text: String) -> Self {
        let to = u32::try_from(text.len()).unwrap_or(0);
        Self { of: Rc::new(Zeroizing::new(text)), from: 0, to }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// An object: keys in the order in which they came, each once.
#[derive(Clone, Default)]
pub struct Map {
    entries: Vec<Entry>,
    /// Where there are many. Boxed, as hardly any object has it and every value
    /// would be as big.
    index: Option<Box<Index>>,
    /// One bit for each key's sign, so that a name that is not there, which most
    /// names that are sought are not, is seldom looked for.
    marks: u64,
}

/// A key with its value.
#[derive(Clone)]
pub struct Entry {
    key: Text,
    sign: u32,
    value: Value,
}

impl Entry {
    /// `sign` is that of `key`.
    #[inline]
    pub(super) fn of(sign: u32, key: Text, value: Value) -> Self {
        Self { key, sign, value }
    }
}

/// A number that is equal for names that differ in the case of ASCII letters
/// alone, and seldom for others: comparing it reads no text.
#[inline]
pub(super) fn sign(name: &[u8]) -> u32 {
    let (Some(first), Some(middle), Some(last)) = (name.first(), name.get(name.len() / 2), name.last()) else { return 0 };
    u32::from_be_bytes([name.len() as u8, *first | 0x20, *middle | 0x20, *last | 0x20])
}

/// One of 64 bits for each sign.
#[inline]
fn mark(sign: u32) -> u64 {
    // Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4).
    1 << (sign.wrapping_mul(0x9E37_79B1) >> 26)
}

/// Positions of the entries, sorted by key.
#[derive(Clone)]
struct Index(Vec<u32>);

impl Map {
    /// The entries as they came. Of two equal keys the last counts, and stands
    /// where the first stood.
    pub fn of(entries: Vec<(Text, Value)>) -> Self {
        Self::settled(entries.into_iter().map(|(key, value)| Entry::of(sign(key.bytes()), key, value)).collect())
    }

    /// The same of entries that are made already.
    pub(super) fn settled(entries: Vec<Entry>) -> Self {
        let mut this = Self { entries, ..Self::default() };
        let mut has_equal_keys = false;
        for (at, entry) in this.entries.iter().enumerate() {
            let mark = mark(entry.sign);
            // Only a mark that was there before can be one of an equal key.
            if this.marks & mark != 0 && this.entries.len() < INDEXED_FROM && !has_equal_keys {
                has_equal_keys = this.entries[..at].iter().any(|earlier| earlier.sign == entry.sign && earlier.key == entry.key);
            }
            this.marks |= mark;
        }
        this.indexed();
        let key = |at: &u32| this.entries[*at as usize].key.as_str();
        if has_equal_keys || this.index.as_ref().is_some_and(|index| index.0.windows(2).any(|pair| key(&pair[0]) == key(&pair[1]))) {
            this.keep_last();
        }
        this
    }

    /// Leaves each key once.
    fn keep_last(&mut self) {
        let mut places: BTreeMap<Text, usize> = BTreeMap::new();
        let mut kept: Vec<Entry> = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            match places.get(&entry.key) {
                Some(at) => kept[*at].value = entry.value,
                None => {
                    places.insert(entry.key.clone(), kept.len());
                    kept.push(entry);
                }
            }
        }
        self.entries = kept;
        self.indexed();
    }

    fn indexed(&mut self) {
        self.index = (self.entries.len() >= INDEXED_FROM).then(|| {
            let mut index: Vec<u32> = (0..).take(self.entries.len()).collect();
            index.sort_by(|a, b| self.entries[*a as usize].key.cmp(&self.entries[*b as usize].key));
            Box::new(Index(index))
        });
    }

    fn position(&self, name: &str) -> Option<usize> {
        let sign = sign(name.as_bytes());
        if self.marks & mark(sign) == 0 {
            return None;
        }
        let Some(index) = &self.index else {
            return self.entries.iter().position(|entry| entry.sign == sign && entry.key.bytes() == name.as_bytes());
        };
        let found = index.0.binary_search_by(|at| self.entries[*at as usize].key.as_str().cmp(name)).ok()?;
        Some(index.0[found] as usize)
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).map(|at| &self.entries[at].value)
    }

    /// The field of this name, else the first whose name differs from it in the
    /// case of ASCII letters alone.
    #[inline]
    pub fn get_in_any_case(&self, name: &str) -> Option<&Value> {
        let sign = sign(name.as_bytes());
        if self.marks & mark(sign) == 0 { None } else { self.sought(name, sign) }
    }

    fn sought(&self, name: &str, sign: u32) -> Option<&Value> {
        if self.index.is_some()
            && let Some(found) = self.get(name)
        {
            return Some(found);
        }
        let (name, mut alike) = (name.as_bytes(), None);
        for entry in self.entries.iter().filter(|entry| entry.sign == sign) {
            let key = entry.key.bytes();
            if key == name {
                return Some(&entry.value);
            }
            if alike.is_none() && key.eq_ignore_ascii_case(name) {
                alike = Some(&entry.value);
            }
        }
        alike
    }

    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let taken = self.entries.remove(self.position(name)?);
        // A mark that stays costs a look for a name that is gone.
        self.indexed();
        Some(taken.value)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn iter(&self) -> Entries<'_> {
        self.entries.iter().map(|entry| (&entry.key, &entry.value))
    }

    pub fn keys(&self) -> impl Iterator<Item = &Text> {
        self.entries.iter().map(|entry| &entry.key)
    }

    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.entries.iter().map(|entry| &entry.value)
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.entries.iter_mut().map(|entry| &mut entry.value)
    }
}

/// Keys and values of an object, in order.
pub type Entries<'a> = std::iter::Map<std::slice::Iter<'a, Entry>, fn(&'a Entry) -> (&'a Text, &'a Value)>;

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a Text, &'a Value);
    type IntoIter = Entries<'a>;
    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl<K: Into<Text>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        Self::of(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}

impl Value {
    /// A field of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }

    /// The value at an RFC 6901 pointer; `None` for a pointer that is none.
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, |value, token| match value {
            Self::Object(map) if token.contains('~') => map.get(&token.replace("~1", "/").replace("~0", "~")),
            Self::Object(map) => map.get(token),
            // A number without a sign and without a leading zero.
            Self::Array(items) if token == "0" || !token.starts_with(['0', '+']) => items.get(token.parse::<usize>().ok()?),
            _ => None,
        })
    }

    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Number(number) = self { number.as_i64() } else { None }
    }

    pub fn as_array(&self) -> Option<&Vec<Self>> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    pub fn as_object(&self) -> Option<&Map> {
        if let Self::Object(map) = self { Some(map) } else { None }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn is_string(&self) -> bool {
        matches!(self, Self::String(_))
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }
}

impl ops::Index<&str> for Value {
    type Output = Self;
    fn index(&self, name: &str) -> &Self {
        self.get(name).unwrap_or(NULL)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(other)
    }
}

/// One JSON text, as [`super::document`] reads it.
impl FromStr for Value {
    type Err = serde_json::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        super::document(text.as_bytes())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

/// The kind of value and nothing of it: a record may hold a secret.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::field::type_name(self))
    }
}

/// As JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => out.serialize_unit(),
            Self::Bool(truth) => out.serialize_bool(*truth),
            Self::Number(number) => number.serialize(out),
            Self::String(text) => out.serialize_str(text),
            Self::Array(items) => {
                let mut list = out.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Object(map) => {
                let mut object = out.serialize_map(Some(map.len()))?;
                map.iter().try_for_each(|(key, value)| object.serialize_entry(key.as_str(), value))?;
                object.end()
            }
        }
    }
}
