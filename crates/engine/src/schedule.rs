//! Wakes what is due: alerts to file, cases to go on with.
//!
//! Jobs are rows written in the same append as the events that ask for them,
//! so a crash loses none. Several cases go on at once, one worker each.

use std::sync::Arc;

use quell_core::{
    id::{AlertId, CaseId, ErasureId, FindingId},
    time::SignedDuration,
};
use tokio::sync::{Semaphore, watch};

use crate::{Engine, Failure, notice, port::Job};

/// Cases that go on at once.
const WORKERS: usize = 16;
/// Jobs that are looked at at once.
const DUE_MAX: u32 = 256;
/// Notices that are handed over at once: a mail server that hangs keeps no case waiting.
const TELLERS: usize = 8;

impl Engine {
    /// Runs until `stop` turns true, and then until the running steps are recorded.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(WORKERS));
        let tellers = Arc::new(Semaphore::new(TELLERS));
        let busy: Arc<std::sync::Mutex<std::collections::BTreeSet<String>>> = Arc::default();
        // Notices that have to wait must not hide what is due behind them.
        let mut waiting = 0;
        while !*stop.borrow() {
            let now = self.ports.clock.now();
            let due = match self.ports.store.due(now, DUE_MAX + waiting).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::error!(%error, "the jobs could not be read");
                    Vec::new()
                }
            };
            let mut started = 0;
            waiting = 0;
            for job in due {
                if !busy.lock().expect("no holder of this lock can panic").insert(job.key.clone()) {
                    continue;
                }
                let place = if job.key.starts_with(notice::JOB) {
                    tellers.clone().try_acquire_owned().ok()
                } else {
                    let Ok(place) = places.clone().acquire_owned().await else { return };
                    Some(place)
                };
                let Some(place) = place else {
                    waiting += 1;
                    busy.lock().expect("no holder of this lock can panic").remove(&job.key);
                    continue;
                };
                started += 1;
                let (engine, busy) = (self.clone(), busy.clone());
                tokio::spawn(async move {
                    if let Err(failure) = engine.do_job(&job).await {
                        tracing::warn!(job = job.key, error = %failure, "a job did not come through; it is tried again");
                        engine.ports.clock.sleep(SignedDuration::from_millis(500)).await;
                    }
                    busy.lock().expect("no holder of this lock can panic").remove(&job.key);
                    drop(place);
                    engine.wake();
                });
            }
            if started > 0 {
                continue;
            }
            let wait = match self.ports.store.next_due().await {
                Ok(Some(at)) if at > now => at.duration_since(now).min(SignedDuration::from_secs(1)),
                _ => SignedDuration::from_secs(1),
            };
            tokio::select! {
                () = self.wakeup.notified() => {}
                () = self.ports.clock.sleep(wait) => {}
                _ = stop.changed() => {}
            }
        }
        // Whoever holds a place finishes what it records.
        let _ = places.acquire_many(u32::try_from(WORKERS).unwrap_or(16)).await;
    }

    /// Does one job now.
    pub async fn do_job(self: &Arc<Self>, job: &Job) -> Result<(), Failure> {
        match job.key.split_once('/') {
            Some(("file", alert)) => self.file(&AlertId::new(alert)).await.map(|_| ()),
            Some(("case", case)) => self.work(&CaseId::new(case), job.due_at).await,
            Some(("compare", finding)) => self.compare(&FindingId::new(finding)).await,
            Some((notice::JOB, of)) => self.hand_over_notice(job, of).await,
            Some(("erase", erasure)) => self.erase(&ErasureId::new(erasure)).await,
            _ => self.clear_job(job.key.clone()).await,
        }
    }
}
