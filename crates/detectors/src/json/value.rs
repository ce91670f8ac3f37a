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
    entries: Vec<(Text, Value)>,
    /// Where there are many. Boxed, as hardly any object has it and every value
    /// would be as big.
    index: Option<Box<Index>>,
    /// One bit of [`mark`] for each key, so that a name that is not there, which
    /// most names that are sought are not, is seldom looked for.
    marks: u64,
}

/// One of 64 bits, equal for names that differ in the case of ASCII letters alone.
#[inline]
fn mark(name: &[u8]) -> u64 {
    let end = |byte: Option<&u8>| byte.map_or(0, |b| usize::from(b.to_ascii_lowercase()));
    1 << ((end(name.first()) * 7 + end(name.last()) + name.len() * 3) % 64)
}

/// Whether two names of one length can be equal in some case: a quick look that
/// ends most comparisons.
#[inline]
fn begin_alike(key: &[u8], name: &[u8]) -> bool {
    key.len() == name.len() && key.first().map(u8::to_ascii_lowercase) == name.first().map(u8::to_ascii_lowercase)
}

/// Positions of the entries, sorted by key.
#[derive(Clone)]
struct Index(Vec<u32>);

impl Map {
    /// The entries as they came. Of two equal keys the last counts, and stands
    /// where the first stood.
    pub fn of(entries: Vec<(Text, Value)>) -> Self {
        let mut map = Self { entries, index: None, marks: 0 };
        map.indexed();
        if map.has_equal_keys() {
            let mut places: BTreeMap<Text, usize> = BTreeMap::new();
            let mut kept: Vec<(Text, Value)> = Vec::new();
            for (key, value) in std::mem::take(&mut map.entries) {
                match places.get(&key) {
                    Some(at) => kept[*at].1 = value,
                    None => {
                        places.insert(key.clone(), kept.len());
                        kept.push((key, value));
                    }
                }
            }
            map.entries = kept;
            map.indexed();
        }
        map
    }

    fn has_equal_keys(&self) -> bool {
        if self.marks.count_ones() as usize == self.entries.len() {
            return false;
        }
        let key = |at: &u32| self.entries[*at as usize].0.as_str();
        match &self.index {
            None => self.entries.iter().enumerate().any(|(at, (key, _))| self.entries[..at].iter().any(|(earlier, _)| earlier == key)),
            Some(index) => index.0.windows(2).any(|pair| key(&pair[0]) == key(&pair[1])),
        }
    }

    fn indexed(&mut self) {
        self.marks = self.entries.iter().fold(0, |marks, (key, _)| marks | mark(key.bytes()));
        self.index = (self.entries.len() >= INDEXED_FROM).then(|| {
            let mut index: Vec<u32> = (0..).take(self.entries.len()).collect();
            index.sort_by(|a, b| self.entries[*a as usize].0.cmp(&self.entries[*b as usize].0));
            Box::new(Index(index))
        });
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.marks & mark(name.as_bytes()) == 0 {
            return None;
        }
        let Some(index) = &self.index else {
            let name = name.as_bytes();
            return self.entries.iter().position(|(key, _)| begin_alike(key.bytes(), name) && key.bytes() == name);
        };
        let found = index.0.binary_search_by(|at| self.entries[*at as usize].0.as_str().cmp(name)).ok()?;
        Some(index.0[found] as usize)
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).map(|at| &self.entries[at].1)
    }

    /// The field of this name, else the first whose name differs from it in the
    /// case of ASCII letters alone.
    pub fn get_in_any_case(&self, name: &str) -> Option<&Value> {
        if self.marks & mark(name.as_bytes()) == 0 {
            return None;
        }
        if self.index.is_some()
            && let Some(found) = self.get(name)
        {
            return Some(found);
        }
        let (name, mut alike) = (name.as_bytes(), None);
        for (key, value) in &self.entries {
            let key = key.bytes();
            if !begin_alike(key, name) {
                continue;
            }
            if key == name {
                return Some(value);
            }
            if alike.is_none() && key.eq_ignore_ascii_case(name) {
                alike = Some(value);
            }
        }
        alike
    }

    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let (_, value) = self.entries.remove(self.position(name)?);
        self.indexed();
        Some(value)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn iter(&self) -> Entries<'_> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    pub fn keys(&self) -> impl Iterator<Item = &Text> {
        self.entries.iter().map(|(key, _)| key)
    }

    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.entries.iter().map(|(_, value)| value)
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.entries.iter_mut().map(|(_, value)| value)
    }
}

/// Keys and values of an object, in order.
pub type Entries<'a> = std::iter::Map<std::slice::Iter<'a, (Text, Value)>, fn(&'a (Text, Value)) -> (&'a Text, &'a Value)>;

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
