//! Sources that fell silent or changed what they say, told to whoever answers for them.
//!
//! When a source was heard is a row for each hour; what its readings hold is a row for
//! each shape. What the core makes of them becomes a finding of posture with a task for
//! the telemetry owner: once, while its case is open.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use quell_core::{
    case::Case,
    event::{By, CaseOpened, TaskAdded},
    finding::{FiledSignal, Finding, Resolved},
    health::{self, Blind, Silence, Usual},
    id::{CaseId, FindingId, SourceId, StreamId, TaskId},
    inventory::matches_glob,
    notice::{Cause, To},
    personal::Salter,
    posture::Posture,
    signal::{ObservedFrom, SignalKind},
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::{
    Engine, Failure, lookup, notice,
    record::{Seen, Writing},
    streams::SourceState,
};

/// How a source is heard.
#[derive(Clone, Debug)]
pub struct Health {
    pub last_at: Option<Timestamp>,
    pub usual: Option<Usual>,
    pub silence: Option<Silence>,
}

/// Hours of the window, and a few more.
const HOURS: u32 = 24 * 91;
/// Most sources that are looked after.
const SOURCES_MAX: u32 = 10_000;

/// Something that is not as it should be, found out by Quell itself.
pub(crate) struct Said {
    pub what: Posture,
    /// The source or identity.
    pub about: String,
    pub title: String,
    pub since: Timestamp,
    pub senders: BTreeSet<SourceId>,
    pub resolved: Option<Resolved>,
    pub because: String,
}

impl Said {
    /// About a source.
    pub fn of_a_source(source: &SourceState, what: Posture, title: String, since: Timestamp) -> Self {
        let id = &source.created.source;
        let because = "Quell looked after its sources".to_owned();
        Self { what, about: id.to_string(), title, since, senders: [id.clone()].into(), resolved: None, because }
    }
}

/// When sources were heard, as it was read; an alert of one makes it read what came since.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// How many alerts came so far: what was read before one of them may lack it.
    alerts: u64,
    of: BTreeMap<SourceId, Moments>,
}

/// Whether nothing came since they were read, and the last moment of each hour.
type Moments = (bool, Arc<Vec<Timestamp>>);

impl Heard {
    fn of(&self, source: &SourceId) -> (u64, Option<Moments>) {
        let known = self.0.lock().expect("no holder of this lock can panic");
        (known.alerts, known.of.get(source).cloned())
    }

    fn know(&self, source: &SourceId, heard: Arc<Vec<Timestamp>>, alerts: u64) {
        let mut known = self.0.lock().expect("no holder of this lock can panic");
        let is_fresh = known.alerts == alerts;
        known.of.insert(source.clone(), (is_fresh, heard));
    }

    /// An alert of it was stored.
    pub(crate) fn again(&self, source: &SourceId) {
        let mut known = self.0.lock().expect("no holder of this lock can panic");
        known.alerts += 1;
        if let Some((is_fresh, _)) = known.of.get_mut(source) {
            *is_fresh = false;
        }
    }
}

impl Engine {
    /// How a source is heard, and since when it is not.
    pub async fn health_of(&self, source: &SourceId) -> Result<Health, Failure> {
        let now = self.ports.clock.now();
        let heard = self.heard(source, now).await?;
        let silence = health::silence(&heard, self.listens_since, now);
        Ok(Health { last_at: heard.last().copied(), usual: health::usual(&heard), silence })
    }

    /// The last moment of each hour in which a source was heard, oldest first.
    async fn heard(&self, source: &SourceId, now: Timestamp) -> Result<Arc<Vec<Timestamp>>, Failure> {
        let (counter, known) = self.heard.of(source);
        let mut heard = match known {
            Some((true, heard)) => heard,
            known => {
                // Hours that are over never change: only what came since is read.
                let mut heard = known.map(|(_, heard)| (*heard).clone()).unwrap_or_default();
                heard.pop();
                let from = heard.last().copied().unwrap_or(health::window(now));
                let from = lookup::heard_key(source, from);
                let rows = self.ports.store.lookup_range(lookup::HEARD, &format!("{source}/"), Some(&from), HOURS).await?;
                heard.extend(rows.iter().filter_map(|(_, at)| at.as_str()?.parse::<Timestamp>().ok()));
                let heard = Arc::new(heard);
                self.heard.know(source, heard.clone(), counter);
                heard
            }
        };
        let old = heard.partition_point(|at| *at < health::window(now));
        if old > 0 {
            Arc::make_mut(&mut heard).drain(..old);
        }
        Ok(heard)
    }

    /// Every source, by its name.
    pub async fn sources(&self) -> Result<Vec<SourceState>, Failure> {
        let mut sources = Vec::new();
        for (name, _) in self.ports.store.lookup_range(lookup::SOURCE, "", None, SOURCES_MAX).await? {
            sources.extend(self.source_state(&name).await?);
        }
        Ok(sources)
    }

    /// Says of each source that is silent that it is: once for each silence.
    pub async fn look_after_sources(self: &Arc<Self>) -> Result<Vec<CaseId>, Failure> {
        let mut told = Vec::new();
        for source in self.sources().await? {
            let Some(silence) = self.health_of(&source.created.source).await?.silence else { continue };
            let title = format!("source `{}` is silent since {}", source.created.name, silence.from);
            let mut writing = Writing::because("health");
            let said = Said::of_a_source(&source, Posture::SilentSource, title, silence.from);
            let Some((case, seen)) = self.say(&mut writing, said).await? else { continue };
            self.tell_owner(&mut writing, &source, Posture::SilentSource, &case);
            match self.append_on(writing, self.ports.clock.now(), seen).await {
                // Somebody else said it.
                Err(Failure::Stale) => continue,
                other => other?,
            };
            told.push(case);
        }
        Ok(told)
    }

    /// What of these readings always had and one of them has not, by what they are about;
    /// for a source that has a habit.
    pub(crate) async fn changed_schema(
        &self,
        source: &SourceId,
        signals: &[&FiledSignal],
        has_unreadable: bool,
    ) -> Result<Option<String>, Failure> {
        let shapes = shapes(signals.iter().copied(), has_unreadable);
        let mut known: Option<BTreeMap<String, Vec<String>>> = None;
        for (kind, shape) in shapes {
            if self.ports.store.lookup(lookup::SHAPE, &lookup::shape_key(source, &kind, &shape)).await?.is_some() {
                continue;
            }
            let before = match &known {
                Some(known) => known,
                None => known.insert(self.known_shapes(source).await?),
            };
            let all: Vec<String>;
            let before = match kind.as_str() {
                // What cannot be read could have been about anything.
                health::UNREADABLE => {
                    all = before.values().flatten().cloned().collect();
                    &all
                }
                kind => match before.get(kind) {
                    Some(before) => before,
                    None => continue,
                },
            };
            let lost = health::lost(before, &shape);
            let has_habit = || async { Ok::<_, Failure>(health::usual(&self.heard(source, self.ports.clock.now()).await?).is_some()) };
            if !lost.is_empty() && has_habit().await? {
                let about = if kind == health::UNREADABLE { "a record".to_owned() } else { format!("{kind} records") };
                return Ok(Some(format!("the schema of {about} changed: without {}", lost.join(", "))));
            }
        }
        Ok(None)
    }

    /// By kind, what the readings of a source were seen to hold: one word each.
    pub async fn schema_of(&self, source: &SourceId) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        self.known_shapes(source).await
    }

    async fn known_shapes(&self, source: &SourceId) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, _) in self.ports.store.lookup_range(lookup::SHAPE, &format!("{source}/"), None, 10_000).await? {
            let mut parts = key.splitn(3, '/').skip(1);
            if let Some((kind, shape)) = parts.next().zip(parts.next()) {
                known.entry(kind.to_owned()).or_default().push(shape.to_owned());
            }
        }
        Ok(known)
    }

    /// Opens a case of posture with a task for whoever answers for it. Nothing where this
    /// very silence was told before, or where a case that says the same is open.
    pub(crate) async fn say(&self, writing: &mut Writing, said: Said) -> Result<Option<(CaseId, Seen)>, Failure> {
        let now = self.ports.clock.now();
        let path = said.what.path();
        let is_silence = said.what == Posture::SilentSource;
        let which = if is_silence { said.since.to_string() } else { String::new() };
        let fold = self.settings.key.opaque("fold", &["of quell", path.task, &said.about, &which]);
        let before = self.ports.store.lookup(lookup::FOLD, &fold).await?;
        let before = before.as_ref().and_then(|row| row["case"].as_str()).unwrap_or_default();
        let is_open = self.case(&CaseId::new(before)).await?.is_some_and(|c| c.is_open());
        if is_open || (is_silence && !before.is_empty()) {
            return Ok(None);
        }
        // Whoever says the same at this very moment opens a case of the same id, and is stale.
        let bytes = self.settings.key.opaque("of quell", &[&fold, before]);
        let mut chance = [0; 10];
        chance.iter_mut().zip(bytes.bytes()).for_each(|(to, from)| *to = from);
        let case = CaseId::from_chance(chance);
        let salter = Salter::new(self.ports.chance.seed());
        let finding = Finding {
            id: FindingId::from_chance(self.ports.chance.id()),
            fold,
            kind: SignalKind::Posture,
            title: salter.commit(said.title),
            count: 1,
            first_at: said.since,
            first_at_from: ObservedFrom::Received,
            last_at: now,
            senders: said.senders,
            alerts: Default::default(),
            seen: Default::default(),
            resolved: said.resolved,
            uncompared: Vec::new(),
            fingerprint: None,
            sample: false,
            containment_evidence: false,
            unsigned: false,
            unreadable: false,
            outcome: None,
            folds: Default::default(),
        };
        let task = TaskAdded {
            task: TaskId::from_chance(self.ports.chance.id()),
            plan: None,
            step: None,
            owner: path.owner,
            what: format!("{}; then end the finding as `{}`", path.task, path.ends_as),
            text: Some(finding.title.clone()),
            reviews: None,
        };
        let stream = StreamId::case(&case);
        let opened = CaseOpened { case: case.clone(), finding, because: said.because };
        writing.event(stream.clone(), &By::Automation, opened).event(stream.clone(), &By::Automation, task);
        Ok(Some((case, Seen::from([(stream, None)]))))
    }

    /// The source's owner hears of it; where none is named, whoever has the role.
    pub(crate) fn tell_owner(&self, writing: &mut Writing, source: &SourceState, what: Posture, case: &CaseId) {
        let to = source.owner.clone().map_or(To::Role(what.path().owner), To::Person);
        notice::due(writing, self.ports.clock.now(), case, "health".to_owned(), to, Cause::Telemetry, false);
    }

    /// The sources that could not have told of a case in its time, with why.
    pub async fn blind_sources(&self, case: &Case) -> Result<Vec<Value>, Failure> {
        let now = self.ports.clock.now();
        let from = case.earliest_sign();
        let to = case.closed_at.unwrap_or(now);
        let planes: Vec<String> = case.roots().into_iter().map(|t| t.plane).collect();
        let mut blind = Vec::new();
        for SourceState { created: source, at: made_at, .. } in self.sources().await? {
            let speaks = |plane: &String| source.systems.iter().any(|glob| matches_glob(glob, plane));
            if !planes.is_empty() && !planes.iter().any(speaks) {
                continue;
            }
            let heard = self.heard(&source.source, now).await?;
            match health::blind(&heard, made_at, from, to, now) {
                Some(Blind::Silent(s)) => blind.push(json!({ "source": source.name, "why": "silent", "from": s.from, "until": s.until })),
                Some(Blind::NeverHeard) => {
                    blind.push(json!({ "source": source.name, "why": "never_heard", "from": made_at, "until": heard.first() }));
                }
                None => {}
            }
        }
        Ok(blind)
    }
}

/// Kinds and shapes of readings, each once.
pub(crate) fn shapes<'a>(signals: impl IntoIterator<Item = &'a FiledSignal>, has_unreadable: bool) -> BTreeSet<(String, String)> {
    let kind = |signal: &FiledSignal| json!(signal.kind).as_str().unwrap_or_default().to_owned();
    let mut shapes: BTreeSet<_> = signals.into_iter().map(|s| (kind(s), health::shape(s))).collect();
    if has_unreadable {
        shapes.insert((health::UNREADABLE.to_owned(), health::UNREADABLE.to_owned()));
    }
    shapes
}
