//! Conditions and derived values in CEL, bounded.
//!
//! An expression sees one name, `record`. CEL ends always but not always soon,
//! so each expression is short, loops only once deep, and sees a record whose
//! lists and texts are cut; what it costs is charged before it runs. There are no
//! patterns (`matches`): one from a record could be as costly as its sender likes.

use std::sync::{Arc, LazyLock};

use cel::{
    Context, Env, ExecutionError, Program,
    common::ast::{EntryExpr, Expr, IdedExpr},
    objects,
};
use serde_json::Number;

use crate::json::Value;

/// Longest expression, in characters.
pub const LENGTH_MAX: usize = 500;
/// Most nodes of one, after its macros are expanded.
pub const NODES_MAX: u64 = 150;
/// Of a list, what an expression sees.
const ITEMS_MAX: usize = 100;
/// Of a text, what an expression sees, in characters.
const TEXT_MAX: usize = 1_024;
/// Of a record, what an expression sees, in values.
const VALUES_MAX: u64 = 10_000;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A value, or why there is none; our words, quoting nothing of the record.
pub enum Given<T> {
    Value(T),
    Nothing(&'static str),
}

/// One record as expressions see it: laid out once, when the first one asks.
pub struct Seen<'a> {
    record: &'a Value,
    left: &'a mut u64,
    spent: bool,
    context: Option<Context<'static, 'static>>,
}

impl<'a> Seen<'a> {
    pub fn new(record: &'a Value, left: &'a mut u64) -> Self {
        Self { record, left, spent: false, context: None }
    }

    /// The message has caused all the work it may.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    fn charge(&mut self, work: u64) -> bool {
        match self.left.checked_sub(work) {
            Some(left) => *self.left = left,
            None => self.spent = true,
        }
        !self.spent
    }

    fn context(&mut self) -> Option<&Context<'static, 'static>> {
        if self.context.is_none() {
            let mut values = VALUES_MAX;
            let record = laid_out(self.record, &mut values);
            if !self.charge(VALUES_MAX - values) {
                return None;
            }
            let mut context = Context::with_env(Arc::clone(&ENV));
            context.add_variable_from_value("record", record);
            self.context = Some(context);
        }
        self.context.as_ref()
    }
}

/// A checked expression.
pub struct Condition {
    text: String,
    program: Program,
    cost: u64,
}

impl Condition {
    /// Compiles `text`, or says what is wrong with it.
    pub fn of(text: &str) -> Result<Self, String> {
        if text.chars().count() > LENGTH_MAX {
            return Err(format!("a condition has at most {LENGTH_MAX} characters"));
        }
        // The parser goes one call deeper for every bracket and sign before a value.
        let depth = text.chars().filter(|c| matches!(c, '(' | '[' | '{' | '!' | '-' | '?')).count();
        if depth > 60 {
            return Err("a condition has at most 60 brackets and signs".into());
        }
        let program = ENV.compile(text).map_err(|errors| {
            let first = errors.errors.first();
            let place = first.map_or(String::new(), |e| format!(" at character {}", e.pos.1));
            let said = first.map_or("", |e| e.msg.lines().next().unwrap_or_default());
            format!("not a condition in CEL{place}: {said}")
        })?;
        let references = program.references();
        if let Some(other) =
            references.variables().into_iter().find(|v| *v != "record" && !v.starts_with('@') && !is_bound(program.expression(), v))
        {
            return Err(format!("`{other}` is unknown; a condition sees `record` alone, as in `record.{other}`"));
        }
        if references.has_function("matches") {
            return Err("`matches` is not available; use `contains`, `startsWith` and `endsWith`".into());
        }
        let mut counted = Counted::default();
        counted.count(program.expression(), 0);
        if counted.nodes > NODES_MAX {
            return Err(format!("a condition has at most {NODES_MAX} parts, this one has {}", counted.nodes));
        }
        if counted.loops > 1 {
            return Err("`all`, `exists`, `map` and `filter` do not go inside one another".into());
        }
        let cost = if counted.loops == 1 { counted.nodes * ITEMS_MAX as u64 } else { counted.nodes };
        Ok(Self { text: text.to_owned(), program, cost })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it holds.
    pub fn holds(&self, seen: &mut Seen<'_>) -> Given<bool> {
        match self.run(seen) {
            Given::Value(objects::Value::Bool(truth)) => Given::Value(truth),
            Given::Value(_) => Given::Nothing("the condition is neither true nor false"),
            Given::Nothing(why) => Given::Nothing(why),
        }
    }

    /// The text, number or truth that it gives.
    pub fn gives(&self, seen: &mut Seen<'_>) -> Given<Value> {
        match self.run(seen) {
            Given::Value(objects::Value::String(text)) => Given::Value(Value::from(text.as_str())),
            Given::Value(objects::Value::Bool(truth)) => Given::Value(Value::Bool(truth)),
            Given::Value(objects::Value::Int(whole)) => Given::Value(Value::Number(whole.into())),
            Given::Value(objects::Value::UInt(whole)) => Given::Value(Value::Number(whole.into())),
            Given::Value(objects::Value::Float(number)) => match Number::from_f64(number) {
                Some(number) => Given::Value(Value::Number(number)),
                None => Given::Nothing("the expression gives no number"),
            },
            Given::Value(objects::Value::Null) => Given::Nothing("the expression gives null"),
            Given::Value(_) => Given::Nothing("the expression gives no text, number or truth"),
            Given::Nothing(why) => Given::Nothing(why),
        }
    }

    fn run(&self, seen: &mut Seen<'_>) -> Given<objects::Value> {
        if !seen.charge(self.cost) {
            return Given::Nothing("the message has caused all the work it may");
        }
        let Some(context) = seen.context() else { return Given::Nothing("the message has caused all the work it may") };
        match self.program.execute(context) {
            Ok(value) => Given::Value(value),
            // An error's own words quote the record.
            Err(ExecutionError::NoSuchKey(_)) => Given::Nothing("a field that it names is not there; ask with `has(..)`"),
            Err(ExecutionError::NoSuchOverload(_) | ExecutionError::ValuesNotComparable(..)) => {
                Given::Nothing("it compares or calls what has another type here")
            }
            Err(_) => Given::Nothing("it cannot be evaluated on this record"),
        }
    }
}

/// Nodes of an expression and how deep its loops go.
#[derive(Default)]
struct Counted {
    nodes: u64,
    loops: u32,
}

impl Counted {
    fn count(&mut self, node: &IdedExpr, loops: u32) {
        self.nodes += 1;
        self.loops = self.loops.max(loops);
        each_below(&node.expr, &mut |below, inside| self.count(below, loops + u32::from(inside)));
    }
}

/// The parts of an expression; true for those that a loop runs over and over.
fn each_below(node: &Expr, take: &mut dyn FnMut(&IdedExpr, bool)) {
    match node {
        Expr::Call(call) => call.target.iter().map(|t| &**t).chain(&call.args).for_each(|part| take(part, false)),
        Expr::Comprehension(all) => {
            take(&all.iter_range, false);
            take(&all.accu_init, false);
            [&all.loop_cond, &all.loop_step].into_iter().for_each(|part| take(part, true));
            take(&all.result, false);
        }
        Expr::List(list) => list.elements.iter().for_each(|part| take(part, false)),
        Expr::Map(map) => map.entries.iter().for_each(|entry| entry_parts(&entry.expr, take)),
        Expr::Struct(made) => made.entries.iter().for_each(|entry| entry_parts(&entry.expr, take)),
        Expr::Select(select) => take(&select.operand, false),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn entry_parts(entry: &EntryExpr, take: &mut dyn FnMut(&IdedExpr, bool)) {
    match entry {
        EntryExpr::StructField(field) => take(&field.value, false),
        EntryExpr::MapEntry(pair) => {
            take(&pair.key, false);
            take(&pair.value, false);
        }
    }
}

/// Whether a loop of the expression binds `name`.
fn is_bound(node: &IdedExpr, name: &str) -> bool {
    let mut bound = match &node.expr {
        Expr::Comprehension(all) => all.iter_var == name || all.accu_var == name || all.iter_var2.as_deref() == Some(name),
        _ => false,
    };
    each_below(&node.expr, &mut |below, _| bound |= is_bound(below, name));
    bound
}

/// A record as CEL takes it, cut to what an expression may see.
fn laid_out(value: &Value, left: &mut u64) -> objects::Value {
    let Some(less) = left.checked_sub(1) else { return objects::Value::Null };
    *left = less;
    match value {
        Value::Null => objects::Value::Null,
        Value::Bool(truth) => objects::Value::Bool(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => objects::Value::Int(whole),
            None => objects::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => objects::Value::from(text.chars().take(TEXT_MAX).collect::<String>()),
        Value::Array(items) => {
            let items: Vec<objects::Value> = items.iter().take(ITEMS_MAX).map(|item| laid_out(item, left)).collect();
            objects::Value::List(Arc::new(items))
        }
        Value::Object(map) => {
            let name = |key: &str| objects::Key::String(Arc::new(key.chars().take(TEXT_MAX).collect()));
            let fields = map.iter().take(ITEMS_MAX * 10).map(|(key, item)| (name(key), laid_out(item, left)));
            objects::Value::Map(objects::Map { map: Arc::new(fields.collect()) })
        }
    }
}
