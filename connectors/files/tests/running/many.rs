//! Many files, and stopping in the midst of them.

use super::*;

/// Starts a connector on many files, with a bare channel at its end.
fn many(
    world: &World,
    count: usize,
) -> (mpsc::Receiver<Emission>, watch::Sender<bool>, JoinHandle<Result<(), Error>>) {
    for number in 0..count {
        let text = format!(
            "{}---\n{}",
            component(&format!("a{number}")),
            component(&format!("b{number}"))
        );
        world.write(&format!("catalog/{}/{number}.yaml", number % 50), &text);
    }
    let (emitter, emissions) = connector::channel();
    let (stop, stopping) = watch::channel(false);
    let targets = world.targets.subscribe();
    let start = Start { cursor: None, scopes: Vec::new(), observed: Vec::new(), targets };
    let run = files::run(world.config.clone(), Vec::new(), start, emitter, stopping);
    (emissions, stop, tokio::spawn(run))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_files_are_emitted_a_few_at_a_time() {
    const FILES: usize = 5_000;
    const AT_ONCE: usize = 32;
    let world = World::new(&["catalog"], NEVER);
    let (mut emissions, stop, connector) = many(&world, FILES);
    let (mut waiting, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
    while seen.len() < FILES {
        let emission = timeout(PATIENCE, emissions.recv()).await.expect("in time");
        let Some(Emission::Snapshot(request)) = emission else { panic!("{emission:?}") };
        assert!(seen.insert(request.scope.clone()), "once only");
        waiting.push(request);
        assert!(waiting.len() <= AT_ONCE);
        if waiting.len() == AT_ONCE || seen.len() == FILES {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert!(emissions.try_recv().is_err(), "no more than so many at once");
            for mut request in waiting.drain(..) {
                let mut count = 0;
                while let Some(connector::SnapshotItem::Found(_)) =
                    timeout(PATIENCE, request.items.recv()).await.expect("in time")
                {
                    count += 1;
                }
                assert_eq!(count, 2);
                let _ = request.done.send(Ok(connector::Outcome::default()));
            }
        }
    }
    stop.send_replace(true);
    timeout(PATIENCE, connector).await.expect("it ends").expect("no panic").expect("no error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_in_the_middle() {
    let world = World::new(&["catalog"], NEVER);
    let line = "{\"apiVersion\": \"backstage.io/v1alpha1\", \"kind\": \"A\"}\n";
    world.write("catalog/long.ndjson", &line.repeat(100_000));
    let (mut emissions, stop, connector) = many(&world, 0);
    let request = timeout(PATIENCE, emissions.recv()).await.expect("in time").expect("one");
    stop.send_replace(true);
    timeout(PATIENCE, connector).await.expect("it ends").expect("no panic").expect("no error");
    let Emission::Snapshot(mut request) = request else { panic!("{request:?}") };
    // What was on its way is broken off: a snapshot that ended here would withdraw the rest.
    while let Some(item) = timeout(PATIENCE, request.items.recv()).await.expect("in time") {
        assert!(matches!(item, connector::SnapshotItem::Found(_)), "{item:?}");
    }
    drop(emissions);
}

#[tokio::test]
async fn it_does_not_wait_for_a_catalog_that_takes_nothing() {
    let world = World::new(&["catalog"], NEVER);
    let (emissions, stop, connector) = many(&world, 200);
    stop.send_replace(true);
    timeout(PATIENCE, connector).await.expect("it ends").expect("no panic").expect("no error");
    drop(emissions);
}
