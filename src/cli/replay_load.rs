//! The load test of `mailtap replay client --repeat`: many sessions, some at a time.
//! Takes what is played, prints how fast and how each command was answered.
//! Does not know how a client is played, nor how a line looks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::replay_client::Form;
use super::replay_stage::Stage;
use super::serving::{self, Signals};
use super::{Failure, Globals};
use crate::event::Object;
use crate::net::{self, Calls};
use crate::replay::tally::Tally;
use crate::view::{json_line, load};

/// Plays `repeat` sessions, `concurrency` of them at a time.
///
/// # Errors
/// Sessions that could not be played to their end, or answers that were not as recorded.
pub(super) fn run(
    stage: &Stage,
    calls: Calls,
    repeat: u64,
    concurrency: u64,
    form: Form,
    globals: &Globals,
) -> Result<(), Failure> {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let begun = net::now();
    let most = u64::try_from(serving::sessions_by_descriptors()).unwrap_or(u64::MAX);
    let concurrency = concurrency.min(repeat).min(most);
    serving::block_on(async {
        let mut signals = Signals::catch()?;
        let calls = Arc::new(calls);
        let left = Arc::new(AtomicU64::new(repeat));
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..concurrency {
            let (stage, calls, left, tally) =
                (stage.clone(), Arc::clone(&calls), Arc::clone(&left), Arc::clone(&tally));
            workers.spawn(async move {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    let played = stage.play(&calls).await;
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    for timing in &played.client.timings {
                        let command = stage.cues.commands.get(timing.command).map_or("", |asked| &asked.command.verb);
                        tally.add(command, &timing.status, timing.same, timing.latency_us);
                    }
                    tally.ended(played.stopped);
                }
            });
        }
        loop {
            tokio::select! {
                joined = workers.join_next() => if joined.is_none() { break },
                // What was played until then is counted.
                () = signals.wait() => {
                    left.store(0, Ordering::Relaxed);
                    calls.stop();
                }
            }
        }
        drop(workers);
        if let Some(calls) = Arc::into_inner(calls) {
            calls.finish().await;
        }
        Ok::<_, Failure>(())
    })?;
    let took = net::now().since(begun);
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    let text = if form.json { load_json(&tally, repeat, took) } else { load_text(&tally, repeat, took, globals) };
    form.print(&text)?;
    if tally.is_same() { Ok(()) } else { Err(Failure::Differs) }
}

/// Of a thousand: p50, p90, p99, p99.9.
const PERCENTILES: [(&str, u64); 4] = [("p50_us", 500), ("p90_us", 900), ("p99_us", 990), ("p999_us", 999)];

fn load_text(tally: &Tally, repeat: u64, took: u64, globals: &Globals) -> String {
    let mut text = String::new();
    let rows: Vec<load::Row> = tally
        .commands
        .iter()
        .map(|(command, line)| {
            let [p50, p90, p99, p999] = PERCENTILES.map(|(_, of_thousand)| line.within(of_thousand));
            load::Row {
                command: command.clone(),
                count: line.count,
                latencies: [p50, p90, p99, p999, line.most()],
                differing: line.differing.iter().map(|(status, &count)| (status.clone(), count)).collect(),
            }
        })
        .collect();
    load::rows(&rows, globals.style(), &mut text);
    load::end(repeat, tally.done, &tally.stopped, took, globals.style(), &mut text);
    text
}

fn load_json(tally: &Tally, repeat: u64, took: u64) -> String {
    let mut text = String::new();
    let mut matched = 0;
    let mut differing = Vec::new();
    let counts = |map: &BTreeMap<String, u64>| {
        map.iter().fold(Object::new(), |mut object, (name, &count)| {
            object.number(name, count);
            object
        })
    };
    for (command, line) in &tally.commands {
        let mut object = Object::new();
        object.text("kind", "latency").text("command", command).number("count", line.count);
        for (name, of_thousand) in PERCENTILES {
            object.number(name, line.within(of_thousand));
        }
        object.number("max_us", line.most()).object("statuses", &counts(&line.statuses));
        object.object("differing", &counts(&line.differing));
        json_line(&object, &mut text);
        matched += line.count - line.differing.values().sum::<u64>();
        for (status, &count) in &line.differing {
            let mut object = Object::new();
            object.text("command", command).text("status", status).number("count", count);
            differing.push(object);
        }
    }
    let unasked: Vec<Object> = tally
        .stopped
        .iter()
        .map(|(why, &count)| {
            let mut object = Object::new();
            object.text("reason", why).number("sessions", count);
            object
        })
        .collect();
    let mut report = Object::new();
    report.text("kind", "report").number("matched", matched).objects("differing", &differing);
    report.objects("unasked", &unasked).objects("unmet", []);
    report.number("sessions", repeat).number("done", tally.done).number("duration_us", took);
    json_line(&report, &mut text);
    text
}
