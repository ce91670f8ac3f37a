//! Filing: what a message gave becomes findings in cases, once, however often it is asked.
//!
//! A message of many findings is filed in rounds, each an append of its own that puts
//! down its signals as parts. What the parts hold is where filing goes on after a crash:
//! a part is the first event of its own stream, so nobody files one twice. Between two
//! rounds response work goes first, and no round begins while many cases wait for
//! their turn: whoever approves meanwhile waits behind a round and never behind a message.

use std::{collections::BTreeSet, sync::Arc};

use quell_core::{
    by_hand,
    event::{AlertFiled, AlertPartFiled, By, Parts, SourceCreated},
    finding::{FiledSignal, Resolved},
    id::{AlertId, CaseId, FindingId, StreamId},
    personal::{self, Salter},
    posture::Posture,
    signal::{Detected, Readout, Unreadable},
    time::{SignedDuration, Timestamp, after},
};

use crate::{
    Engine, Failure,
    correlate::{Filing, Keys, Placed},
    health::Said,
    intake::RETRIES,
    lookup,
    record::Writing,
    streams::AlertState,
};

/// Signals that one round files.
const ROUND_SIGNALS: usize = 256;
/// Bytes that the lists of one part may have; the event around them has the rest.
const PART_BYTES: usize = 56 * 1024;
/// How long a round looks for whose its signals are, on slow planes.
const READ_SECONDS: i64 = 10;
/// How long a round keeps its message from being taken up by another worker.
const ROUND_SECONDS: i64 = 30;
/// Cases whose turn has come and that no round is filed before.
const WAITING_MAX: u32 = 64;
/// How long a round waits for them at most, in steps of this.
const WAIT: SignedDuration = SignedDuration::from_millis(100);
const WAITS_MAX: u32 = 20;

/// Where an alert went.
#[derive(Clone, Debug, Default)]
pub struct Filed {
    pub findings: Vec<FindingId>,
    pub cases: Vec<CaseId>,
}

/// One signal, with what correlating it rests on.
struct Ready {
    signal: FiledSignal,
    keys: Keys,
    resolved: Option<Resolved>,
}

/// One round: the next signals of a message, and after the last of them what was unreadable.
struct Round {
    ready: Vec<Ready>,
    unreadable: Vec<Unreadable>,
    /// Parts before it.
    parts: u32,
    /// Signals before it.
    signals: u64,
    /// Signals and unreadable records of the message.
    of: u64,
    is_last: bool,
}

/// Who may be asked about what a message says.
#[derive(Clone, Copy)]
pub(crate) struct Asking {
    /// Planes, whether a leaked value is one of theirs.
    pub planes: bool,
    /// People, to do by hand what no connector does: not for a message that names crowds.
    pub people: bool,
}

/// The lists of one event.
#[derive(Default)]
struct Portion {
    signals: Vec<FiledSignal>,
    unreadable: Vec<Unreadable>,
    findings: Vec<FindingId>,
    cases: Vec<CaseId>,
    bytes: usize,
}

impl Engine {
    /// Files a stored alert: once, however often it is asked.
    pub async fn file(self: &Arc<Self>, alert: &AlertId) -> Result<Filed, Failure> {
        for _ in 0..RETRIES {
            match self.file_once(alert).await {
                Err(Failure::Stale) => {}
                other => return other,
            }
        }
        Err(Failure::Stale)
    }

    async fn file_once(self: &Arc<Self>, id: &AlertId) -> Result<Filed, Failure> {
        let Some(state) = self.alert(id).await? else { return Err(Failure::Unknown(format!("alert `{id}`"))) };
        if let Some(filed) = &state.filed {
            self.clear_job(format!("file/{id}")).await?;
            return self.filed_as(filed).await;
        }
        let source = self.source_of(&state.received.source).await?;
        let Readout { signals, mut unreadable, .. } = self.read_alert(&state).await?;
        let of = (signals.len() + unreadable.len()) as u64;
        // Of how many a message speaks is in its bytes: filed again, it says the same.
        let asking = Asking { planes: true, people: of <= by_hand::NAMED_MAX };
        let (mut parts, mut done) = self.filed_so_far(id, of).await?;
        if signals.len() > ROUND_SIGNALS {
            let mut writing = Writing::because(id.as_str());
            writing.job(format!("file/{id}"), after(self.ports.clock.now(), ROUND_SECONDS));
            self.append(writing, self.ports.clock.now()).await?;
        }
        let mut rest = signals.into_iter().skip(usize::try_from(done).unwrap_or(usize::MAX));
        loop {
            let salter = Salter::new(self.ports.chance.seed());
            let ends = after(self.ports.clock.now(), READ_SECONDS);
            let mut ready = Vec::new();
            for detected in rest.by_ref() {
                ready.push(self.ready(&state, source.as_ref(), detected, &salter, asking).await?);
                if ready.len() >= ROUND_SIGNALS || self.ports.clock.now() > ends {
                    break;
                }
            }
            let is_last = rest.len() == 0;
            let unreadable = if is_last { std::mem::take(&mut unreadable) } else { Vec::new() };
            let signals = ready.len() as u64;
            let round = Round { ready, unreadable, parts, signals: done, of, is_last };
            let (written, filed) = self.file_round(&state, &round, &salter).await?;
            if let Some(filed) = filed {
                self.wake();
                return self.filed_as(&filed).await;
            }
            (parts, done) = (parts + written, done + signals);
            self.wake();
            self.make_room().await?;
        }
    }

    /// Files one round, and again where a case of it moved on meanwhile. Where somebody
    /// else filed the same round, all that is known of the message is stale.
    async fn file_round(
        self: &Arc<Self>,
        state: &AlertState,
        round: &Round,
        salter: &Salter,
    ) -> Result<(u32, Option<AlertFiled>), Failure> {
        let id = &state.received.alert;
        for _ in 0..RETRIES {
            match self.file_round_once(state, round, salter).await {
                Err(Failure::Stale) => {}
                other => return other,
            }
            let next = StreamId::alert_part(id, round.parts + 1);
            if self.ports.store.head(&next).await?.is_some() || self.alert(id).await?.is_none_or(|a| a.filed.is_some()) {
                break;
            }
        }
        Err(Failure::Stale)
    }

    async fn file_round_once(
        self: &Arc<Self>,
        state: &AlertState,
        round: &Round,
        salter: &Salter,
    ) -> Result<(u32, Option<AlertFiled>), Failure> {
        let id = &state.received.alert;
        let at = self.ports.clock.now();
        let mut filing = Filing::new(Writing::because(id.as_str()), at);
        for Ready { signal, keys, resolved } in &round.ready {
            self.correlate(&mut filing, signal, keys.clone(), resolved.clone()).await?;
        }
        let mut portions = portions(round, &filing.placed);
        if !round.unreadable.is_empty() {
            let (findings, cases) = (filing.findings.len(), filing.cases.len());
            self.correlate_unreadable(&mut filing, state, &round.unreadable, salter).await?;
            let last = portions.last_mut().expect("there is one at least");
            last.findings.extend(filing.findings[findings..].iter().cloned());
            last.cases.extend(filing.cases[cases..].iter().cloned());
        }
        self.say_of_schema(&mut filing, state, round).await?;
        let Filing { mut writing, seen, at_work, .. } = filing;
        for case in &at_work {
            writing.job(format!("case/{case}"), at);
        }
        let by = By::Source(state.received.source.clone());
        if round.is_last && round.parts == 0 && portions.len() == 1 {
            let filed = whole(id, portions.remove(0));
            writing.event(StreamId::alert(id), &by, filed.clone()).done(format!("file/{id}"));
            self.append_on(writing, at, seen).await?;
            return Ok((0, Some(filed)));
        }
        let mut written = 0;
        for portion in portions {
            written += 1;
            let part = part(id, round.parts + written, round.of, portion);
            writing.event(StreamId::alert_part(id, part.part), &by, part);
        }
        let filed = round.is_last.then(|| {
            let signals = round.signals + round.ready.len() as u64;
            let parts = Parts { parts: round.parts + written, signals, unreadable: round.unreadable.len() as u64 };
            AlertFiled { parts: Some(parts), ..whole(id, Portion::default()) }
        });
        match &filed {
            Some(filed) => writing.event(StreamId::alert(id), &by, filed.clone()).done(format!("file/{id}")),
            // A crash after this append leaves the job: filing goes on where the parts end.
            None => writing.job(format!("file/{id}"), after(at, ROUND_SECONDS)),
        };
        writing.relaxed();
        // Nobody has filed this part: its stream is new.
        let mut seen = seen;
        seen.extend((1..=written).map(|n| (StreamId::alert_part(id, round.parts + n), None)));
        self.append_on(writing, at, seen).await?;
        Ok((written, filed))
    }

    /// What the source's readings always had and lack now becomes a finding of its own.
    async fn say_of_schema(&self, filing: &mut Filing, state: &AlertState, round: &Round) -> Result<(), Failure> {
        let source = &state.received.source;
        let signals: Vec<&FiledSignal> = round.ready.iter().map(|r| &r.signal).collect();
        let Some(what) = self.changed_schema(source, &signals, !round.unreadable.is_empty()).await? else { return Ok(()) };
        let Some(source) = self.source_of(source).await? else { return Ok(()) };
        let Some(source) = self.source_state(&source.name).await? else { return Ok(()) };
        let title = format!("source `{}`: {what}", source.created.name);
        let said = self.say(&mut filing.writing, Said::of_a_source(&source, Posture::ChangedSchema, title, state.at)).await?;
        if let Some((case, seen)) = said {
            self.tell_owner(&mut filing.writing, &source, Posture::ChangedSchema, &case);
            filing.seen.extend(seen);
        }
        Ok(())
    }

    /// How many parts of the message are filed, and how many of its signals they hold. A
    /// detector that reads it otherwise than before begins anew: what was delivered
    /// twice folds and is not counted.
    async fn filed_so_far(&self, id: &AlertId, of: u64) -> Result<(u32, u64), Failure> {
        let rows = self.parts_of(id).await?;
        let signals = rows.iter().filter(|row| row["of"] == of).filter_map(|row| row["signals"].as_u64()).sum();
        Ok((u32::try_from(rows.len()).unwrap_or(u32::MAX), signals))
    }

    async fn parts_of(&self, id: &AlertId) -> Result<Vec<serde_json::Value>, Failure> {
        let rows = self.ports.store.lookup_range(lookup::ALERT_PART, &format!("{id}/"), None, u32::MAX).await?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Where a filed alert went, in however many parts.
    pub async fn filed_as(&self, filed: &AlertFiled) -> Result<Filed, Failure> {
        if filed.parts.is_none() {
            return Ok(Filed { findings: filed.findings.clone(), cases: filed.cases.clone() });
        }
        let (mut all, mut findings, mut cases) = (Filed::default(), BTreeSet::new(), BTreeSet::new());
        for row in self.parts_of(&filed.alert).await? {
            let ids = |name: &str| row[name].as_array().into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect();
            let (found, held): (Vec<String>, Vec<String>) = (ids("findings"), ids("cases"));
            all.findings.extend(found.into_iter().filter(|id| findings.insert(id.clone())).map(FindingId::new));
            all.cases.extend(held.into_iter().filter(|id| cases.insert(id.clone())).map(CaseId::new));
        }
        Ok(all)
    }

    /// Lets the cases have their turn before more of a message makes others; a plane that
    /// hangs keeps it waiting for a while and not for ever.
    async fn make_room(&self) -> Result<(), Failure> {
        for _ in 0..WAITS_MAX {
            let due = self.ports.store.due(self.ports.clock.now(), WAITING_MAX).await?;
            if due.len() < WAITING_MAX as usize {
                break;
            }
            self.ports.clock.sleep(WAIT).await;
        }
        Ok(())
    }

    /// What filing these bytes from this source would fold into what, by which rule and
    /// key. Nothing is written and no plane is asked, so whose a leaked value is shows
    /// only where the inventory has its fingerprint.
    pub async fn preview(&self, source: &SourceCreated, bytes: &[u8]) -> Result<(Vec<Placed>, Vec<Unreadable>), Failure> {
        let readout = self.ports.detectors.read(&source.detector, bytes);
        let of = (readout.signals.len() + readout.unreadable.len()) as u64;
        let asking = Asking { planes: false, people: of <= by_hand::NAMED_MAX };
        let at = self.ports.clock.now();
        let state = self.unstored(source, at);
        let salter = Salter::new(self.ports.chance.seed());
        let mut filing = Filing::new(Writing::default(), at);
        for detected in readout.signals {
            let Ready { signal, keys, resolved } = self.ready(&state, Some(source), detected, &salter, asking).await?;
            self.correlate(&mut filing, &signal, keys, resolved).await?;
        }
        Ok((filing.placed, readout.unreadable))
    }

    fn unstored(&self, source: &SourceCreated, at: Timestamp) -> AlertState {
        let received = quell_core::event::AlertReceived {
            alert: AlertId::from_chance(self.ports.chance.id()),
            source: source.source.clone(),
            detector: source.detector.clone(),
            bytes: 0,
            sealed: String::new(),
        };
        AlertState { received, at, filed: None }
    }

    async fn ready(
        &self,
        state: &AlertState,
        source: Option<&SourceCreated>,
        detected: Detected,
        salter: &Salter,
        asking: Asking,
    ) -> Result<Ready, Failure> {
        let (signal, keys, resolved) = self.resolve(state, source, detected, salter, asking).await?;
        Ok(Ready { signal, keys, resolved })
    }
}

/// The lists of a round, cut so that each fits into one event; one at least.
fn portions(round: &Round, placed: &[Placed]) -> Vec<Portion> {
    let mut portions = vec![Portion::default()];
    let mut room = |bytes: usize| {
        if portions.last().is_some_and(|p| p.bytes > 0 && p.bytes + bytes > PART_BYTES) {
            portions.push(Portion::default());
        }
        let last = portions.len() - 1;
        portions[last].bytes += bytes;
        last
    };
    let mut of_signals = Vec::with_capacity(round.ready.len());
    for (ready, placed) in round.ready.iter().zip(placed) {
        let ids = placed.finding.as_str().len() + placed.case.as_str().len() + 8;
        of_signals.push(room(bytes_of(&ready.signal) + ids));
    }
    let of_unreadable: Vec<usize> = round.unreadable.iter().map(|u| room(bytes_of(u))).collect();
    for ((ready, placed), n) in round.ready.iter().zip(placed).zip(of_signals) {
        let portion = &mut portions[n];
        portion.signals.push(ready.signal.clone());
        if !portion.findings.contains(&placed.finding) {
            portion.findings.push(placed.finding.clone());
        }
        if !portion.cases.contains(&placed.case) {
            portion.cases.push(placed.case.clone());
        }
    }
    for (unreadable, n) in round.unreadable.iter().zip(of_unreadable) {
        portions[n].unreadable.push(unreadable.clone());
    }
    portions
}

/// How long something is in an event, without what stays out of it.
fn bytes_of(what: &impl serde::Serialize) -> usize {
    let mut value = serde_json::to_value(what).expect("it is plain data");
    personal::conceal(&mut value);
    value.to_string().len() + 1
}

fn whole(id: &AlertId, portion: Portion) -> AlertFiled {
    let Portion { signals, unreadable, findings, cases, .. } = portion;
    AlertFiled { alert: id.clone(), signals, unreadable, findings, cases, parts: None }
}

fn part(id: &AlertId, part: u32, of: u64, portion: Portion) -> AlertPartFiled {
    let Portion { signals, unreadable, findings, cases, .. } = portion;
    AlertPartFiled { alert: id.clone(), part, of, signals, unreadable, findings, cases }
}
