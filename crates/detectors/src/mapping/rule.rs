//! One rule: where the value of a field stands and what it means.

use super::{
    condition::{Condition, Given, Seen},
    file::Field,
};
use crate::{field::as_text, json::Value};

/// Where a rule takes its value from.
pub enum From {
    Pointer(String),
    Constant(String),
    Expression(Condition),
}

/// One rule of a mapping.
pub struct Rule {
    pub field: Field,
    pub from: From,
    /// The sender's words and what each stands for.
    pub map: Vec<(String, String)>,
    pub default: Option<String>,
    pub when: Option<Condition>,
    /// Where it stands in the file, from 1.
    pub line: usize,
}

impl Rule {
    /// The value that the rule gives for `record`.
    pub fn value(&self, record: &Value, seen: &mut Seen<'_>) -> Given<Value> {
        match self.when.as_ref().map(|when| when.holds(seen)) {
            None | Some(Given::Value(true)) => {}
            Some(Given::Value(false)) => return Given::Nothing("its condition does not hold"),
            Some(Given::Nothing(why)) => return Given::Nothing(why),
        }
        let found = match &self.from {
            From::Constant(text) => Given::Value(Value::from(text.as_str())),
            From::Expression(expression) => expression.gives(seen),
            From::Pointer(pointer) => match record.pointer(pointer) {
                Some(value) if as_text(value).is_some() => Given::Value(value.clone()),
                Some(Value::Null) | None => Given::Nothing("nothing stands there"),
                Some(Value::String(_)) => Given::Nothing("the text there is empty"),
                Some(_) => Given::Nothing("a list or an object stands there"),
            },
        };
        let mapped = match found {
            Given::Value(value) if self.map.is_empty() => Given::Value(value),
            Given::Value(value) => self.meaning(&value),
            nothing => nothing,
        };
        match (mapped, &self.default) {
            (Given::Nothing(_), Some(default)) => Given::Value(Value::from(default.as_str())),
            (given, _) => given,
        }
    }

    /// What the sender's word stands for: as written, else in any case.
    fn meaning(&self, value: &Value) -> Given<Value> {
        let Some(word) = as_text(value) else { return Given::Nothing("a list or an object stands there") };
        let exact = self.map.iter().find(|(from, _)| *from == word);
        match exact.or_else(|| self.map.iter().find(|(from, _)| from.eq_ignore_ascii_case(&word))) {
            Some((_, to)) => Given::Value(Value::from(to.as_str())),
            None => Given::Nothing("its `map` has no such word"),
        }
    }

    /// How a person finds it in the file.
    pub fn in_words(&self) -> String {
        let from = match &self.from {
            From::Pointer(pointer) => format!("pointer `{pointer}`"),
            From::Constant(_) => "constant".to_owned(),
            From::Expression(expression) => format!("expression `{}`", expression.text()),
        };
        let when = self.when.as_ref().map_or(String::new(), |when| format!(" when `{}`", when.text()));
        format!("{from}{when} (line {})", self.line)
    }
}
