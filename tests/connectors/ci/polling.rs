//! What happens is told, whatever happens to the lists meanwhile, and whatever else goes wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use connector::{Emission, Outcome, Said, Start, channel};
use event::vocabulary::ConnectorState;
use serde_json::{Value, json};
use support::ci::{TOKEN, build, github, gitlab, jenkins, pipeline, run, time};
use support::scripted::{Fault, Reply, Scripted};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// What was told until now.
#[derive(Debug, Default)]
struct Told {
    keys: BTreeSet<String>,
    looked: u64,
    troubles: Vec<String>,
}

/// A connector that asks.
struct Polling {
    runtime: Runtime,
    told: watch::Receiver<Told>,
    _stop: watch::Sender<bool>,
}

async fn take(mut emissions: mpsc::Receiver<Emission>, told: watch::Sender<Told>) {
    while let Some(emission) = emissions.recv().await {
        match emission {
            Emission::Said { said, done } => {
                let mut changed = 0;
                told.send_modify(|told| {
                    for said in said {
                        let Said::Happened(activity) = said else { panic!("{said:?}") };
                        changed += u64::from(told.keys.insert(activity.key));
                    }
                });
                let _ = done.send(Ok(Outcome { changed, ..Outcome::default() }));
            }
            Emission::Status(status) if status.state == ConnectorState::Failing => {
                told.send_modify(|told| told.troubles.push(status.why.unwrap_or_default()));
            }
            Emission::Looked => told.send_modify(|told| told.looked += 1),
            _ => {}
        }
    }
}

fn polling(from: &str, mut poll: Value, cursor: Option<String>) -> Polling {
    poll["every_seconds"] = json!(1);
    let config = json!({"id": "it", "from": from, "poll": poll});
    let config: ci::Config = serde_json::from_value(config).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (emitter, emissions) = channel();
    let (sender, told) = watch::channel(Told::default());
    runtime.spawn(take(emissions, sender));
    let (stop, stopping) = watch::channel(false);
    let (_, targets) = watch::channel(std::sync::Arc::default());
    let start = Start { cursor, scopes: Vec::new(), observed: Vec::new(), targets };
    runtime.spawn(async move {
        ci::run(&config, start, emitter, ci::Projects::default(), stopping).await;
    });
    Polling { runtime, told, _stop: stop }
}

impl Polling {
    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&Told) -> bool) {
        let mut told = self.told.clone();
        let waiting = async {
            timeout(Duration::from_secs(60), told.wait_for(|told| is_so(told))).await.is_ok()
        };
        let is_so = self.runtime.block_on(waiting);
        assert!(is_so, "{what}: {:?}", *self.told.borrow());
    }

    #[track_caller]
    fn told(&self, key: &str) {
        self.until(key, |told| told.keys.contains(key));
    }

    /// Waits until all was looked at from now on.
    #[track_caller]
    fn looked(&self) {
        let before = self.told.borrow().looked;
        // What is looked at now may have begun before.
        self.until("it is not looked at", |told| told.looked >= before + 2);
    }
}

fn of_github(site: &Scripted) -> Value {
    json!({"url": site.url, "token": TOKEN, "repositories": ["acme/checkout"]})
}

fn of_gitlab(site: &Scripted) -> Value {
    json!({"url": site.url, "token": TOKEN, "projects": ["shop/team/checkout"]})
}

fn of_jenkins(site: &Scripted) -> Value {
    json!({"url": site.url, "user": "robot", "token": TOKEN, "folders": ["shop"]})
}

fn instead(status: u16, body: &str) -> Fault {
    Fault::Instead(Reply::status(status).with_body(body))
}

#[test]
fn a_run_that_is_deleted_while_pages_are_read_hides_no_other() {
    // Older than what is read again.
    let (site, github) = github((0..250).map(|at| run(at, 7200, "completed")).collect());
    // Once the first page was read, one that stands on it goes.
    let kept = std::sync::Arc::clone(&github);
    site.after("&page=1&", move || drop(kept.lock().unwrap().runs.remove(7)));
    let polling = polling("github", of_github(&site), None);
    polling.looked();
    let told = polling.told.borrow();
    let missing = (0..250).map(|at| format!("workflow_run/{at}/1/completed"));
    let missing: Vec<String> = missing.filter(|key| !told.keys.contains(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_run_that_is_run_again_is_told_within_an_hour_wherever_it_stands() {
    let (site, github) = github((0..250).map(|at| run(at, 600, "completed")).collect());
    let polling = polling("github", of_github(&site), None);
    polling.looked();
    {
        let mut again = run(170, 600, "completed");
        again["run_attempt"] = json!(2);
        again["updated_at"] = json!(time(0).to_string());
        github.lock().unwrap().runs[170] = again;
    }
    polling.told("workflow_run/170/2/completed");
}

#[test]
fn repositories_that_can_t_be_read_do_not_keep_others_from_it() {
    let (site, _github) = github(vec![run(1, 60, "completed")]);
    let wrong = [
        instead(301, "{}"),
        instead(451, "{\"message\": \"Repository access blocked\"}"),
        instead(200, "<html>"),
        instead(403, &format!("{{\"message\": \"{TOKEN} may not do that\"}}")),
        instead(404, "{}"),
        instead(422, "{}"),
        instead(200, "[]"),
    ];
    let mut names = Vec::new();
    for (at, fault) in wrong.into_iter().enumerate() {
        site.fault(&format!("/acme/a{at}/"), usize::MAX, fault);
        names.push(format!("acme/a{at}"));
    }
    names.push("acme/checkout".into());
    let poll = json!({"url": site.url, "token": TOKEN, "repositories": names});
    let polling = polling("github", poll, None);
    polling.told("workflow_run/1/1/completed");
    polling.until("trouble", |told| !told.troubles.is_empty());
    let troubles = polling.told.borrow().troubles.concat();
    assert!(troubles.contains("acme/a0: ") && troubles.contains("and 4 more"), "{troubles}");
}

#[test]
fn what_a_source_says_of_the_time_and_of_secrets_is_not_believed_and_not_repeated() {
    let (site, github) = github(vec![run(1, 60, "completed")]);
    let ahead = Reply::status(403)
        .with("date", "Thu, 01 Jan 2099 00:00:00 GMT")
        .with_body(&format!("{{\"message\": \"{TOKEN} may not do that\"}}"));
    let polling = polling("github", of_github(&site), None);
    polling.told("workflow_run/1/1/completed");
    site.fault("/actions/runs", 1, Fault::Instead(ahead));
    polling.until("trouble", |told| !told.troubles.is_empty());
    let troubles = polling.told.borrow().troubles.concat();
    assert!(troubles.contains("(hidden) may not do that"), "{troubles}");
    let late = "Thu, 01 Jan 2099 00:00:00 GMT";
    site.always("date", late);
    polling.looked();
    github.lock().unwrap().runs.insert(0, run(2, 0, "completed"));
    polling.told("workflow_run/2/1/completed");
}

#[test]
fn more_than_is_read_at_once_is_read_on() {
    let (site, gitlab) = gitlab();
    let all = 10_150;
    gitlab.lock().unwrap().pipelines =
        (0..all).map(|at| pipeline(at, 3000 - at.cast_signed() / 5, "running")).collect();
    let polling = polling("gitlab", of_gitlab(&site), None);
    polling.until("not all are told", |told| told.keys.len() as u64 == all);
    assert!(polling.told.borrow().troubles.concat().contains("not all were read yet"));
    polling.looked();
}

#[test]
fn a_page_that_begins_where_the_last_ended_is_turned() {
    let (site, gitlab) = gitlab();
    // GitLab lists what changed at the very time, too: a page that spans a second from there.
    let ago = |at: u64| {
        if at == 0 {
            61
        } else if at < 100 {
            60
        } else {
            59
        }
    };
    gitlab.lock().unwrap().pipelines =
        (0..150).map(|at| pipeline(at, ago(at), "running")).collect();
    let cursor = gitlab.lock().unwrap().pipelines[0]["updated_at"].as_str().unwrap().to_owned();
    let polling = polling("gitlab", of_gitlab(&site), Some(cursor));
    polling.told("pipeline/149/started/");
    assert!(site.asked().len() < 10);
}

#[test]
fn a_list_that_can_t_be_read_hides_nothing_of_what_it_shows_later() {
    let (site, gitlab) = gitlab();
    gitlab.lock().unwrap().pipelines = vec![pipeline(1, 7200, "running")];
    site.fault("/groups/17/", 2, instead(403, "{}"));
    // By its number, which is no part of the names of its projects.
    let poll = json!({"url": site.url, "token": TOKEN, "groups": ["17"]});
    let polling = polling("gitlab", poll, None);
    polling.until("trouble", |told| !told.troubles.is_empty());
    polling.told("pipeline/1/started/");
    // Those it showed are asked all the same while it can't be read.
    site.fault("/groups/17/", usize::MAX, instead(403, "{}"));
    gitlab.lock().unwrap().pipelines.push(pipeline(2, 0, "running"));
    polling.told("pipeline/2/started/");
}

#[test]
fn jobs_of_a_pipeline_are_told_page_by_page() {
    let name = "x".repeat(10_000);
    let jobs = move |at: usize| -> Value {
        let of = |job| json!({"id": at * 100 + job, "name": name, "status": "success"});
        (0..100).map(of).collect()
    };
    let over = json!({"id": 1, "status": "success", "updated_at": time(10).to_string(),
                      "finished_at": time(10).to_string()});
    let all = 60;
    let site = Scripted::new(move |request| match request.path.rsplit('/').next().unwrap() {
        "jobs" => {
            let at = request.number("page").unwrap();
            let next = if at < all { (at + 1).to_string() } else { String::new() };
            Reply::json(&jobs(at)).with("x-next-page", &next)
        }
        "pipelines" => Reply::json(&json!([over])),
        _ => Reply::json(&over),
    });
    let mut poll = of_gitlab(&site);
    poll["jobs"] = json!(true);
    let before = crate::live();
    let polling = polling("gitlab", poll, None);
    polling.until("not all are told", |told| told.keys.len() == all * 100 + 1);
    let most = crate::most().saturating_sub(before);
    let sent = all as u64 * 1_000_000;
    assert!(most < sent / 3, "{most} bytes of {sent} were held at the same time");
}

#[test]
fn a_build_that_runs_is_not_forgotten_with_a_folder_that_can_t_be_read() {
    let (site, jenkins) = jenkins();
    let put = |job: &str, builds: Vec<Value>| {
        jenkins.lock().unwrap().insert(job.to_owned(), builds);
    };
    // Newer ones have ended: only itself tells how it ends.
    put("shop/a", vec![build(2, 1800, Some("SUCCESS")), build(1, 3600, None)]);
    let polling = polling("jenkins", of_jenkins(&site), None);
    polling.told("shop/a/1/queue-1001/started");
    polling.looked();
    site.fault("/job/shop/api/json", 2, instead(403, "{}"));
    polling.until("trouble", |told| !told.troubles.is_empty());
    put("shop/a", vec![build(2, 1800, Some("SUCCESS")), build(1, 3600, Some("FAILURE"))]);
    polling.told("shop/a/1/queue-1001/finished");
}

#[test]
fn builds_of_a_job_that_was_made_anew_are_others() {
    let (site, jenkins) = jenkins();
    let put = |build: Value| {
        jenkins.lock().unwrap().insert("shop/app/main".into(), vec![build]);
    };
    put(build(1, 60, Some("SUCCESS")));
    let polling = polling("jenkins", of_jenkins(&site), None);
    polling.told("shop/app/main/1/queue-1001/finished");
    polling.looked();
    // It may be gone and there again, with as many builds, before anybody looks.
    let mut anew = build(1, 0, Some("FAILURE"));
    anew["queueId"] = json!(2000);
    put(anew);
    polling.told("shop/app/main/1/queue-2000/finished");
}
