//! A log of which something was erased folds alike however it is cut, and to what a plain catalog
//! says that was never told what is gone.

use event::{Body, Content, Erased, Left, Open, Residue};
use serde_json::Value;
use support::catalog::Catalog;
use support::history::{Noise, Step, records, steps};
use support::node::Node;
use support::random::Random;

use crate::fold::{for_seeds, same};

/// What a replay needs of data that goes.
fn left_of(open: &Open) -> Left {
    let data: Value = serde_json::from_slice(&open.data).unwrap_or_default();
    let text = |key: &str| data[key].as_str().map(str::to_owned);
    Left {
        scope: text("scope").map(|scope| event::vocabulary::ScopeName::new(&scope).unwrap()),
        snapshot: serde_json::from_value(data["snapshot"].clone()).ok(),
        aspect: text("aspect"),
    }
}

/// Erases something of a record; what is left of the step.
fn erase(random: &mut Random, step: &Step, content: &mut Content) -> Step {
    let Ok(record) = content else { return step.clone() };
    let (Body::Open(open), false) = (&record.body, matches!(step, Step::Policy { .. })) else {
        return step.clone();
    };
    let mut residue = Residue::of(open);
    residue.erase_author();
    residue.erase_pointer();
    let is_whole = random.chance(50);
    if is_whole {
        residue.erase_data(left_of(open));
    }
    let (commitment, residue) = (residue.commitment(), residue.encode());
    record.body = Body::Erased(Erased { commitment, residue });
    match step {
        _ if !is_whole => step.clone(),
        Step::Seen { scope, document } => {
            let reference = model::document::Document::new(document).reference().unwrap();
            Step::Gone { scope: *scope, reference: reference.to_string() }
        }
        _ => Step::Nothing(Noise::Garbage),
    }
}

#[test]
fn what_was_erased_was_never_said() {
    for_seeds(600..640, |seed| {
        let mut random = Random::new(seed);
        let mut steps = steps(&mut random, 150);
        let mut records = records(seed, &steps);
        // The first two records are the log's own.
        for (step, content) in steps.iter_mut().zip(&mut records[2..]) {
            if random.chance(20) {
                *step = erase(&mut random, step, content);
            }
        }
        let node = Node::new(&records);
        let whole = node.fold(1 + seed as usize % 40, None);
        let reader = node.views.reader().unwrap();
        let mut catalog = Catalog::default();
        for (offset, step) in (2..).zip(&steps) {
            catalog.apply(step);
            if offset % 11 == seed % 11 {
                same(&reader.at(offset).unwrap(), &catalog);
            }
        }
        same(&reader, &catalog);
        assert_eq!(node.views.check_rows().unwrap(), None);
        assert_eq!(node.views.check_index().unwrap(), None);
        assert_eq!(node.views.recompute_state().unwrap(), whole.state);
        assert_eq!(Node::new(&records).fold(1, None), whole, "in batches of one");
        let mut erased = 0;
        reader.each_erased(|row| erased += u64::from(row.by.is_none())).unwrap();
        let really = records.iter().flatten().filter(|record| record.open().is_none()).count();
        assert_eq!(erased, really as u64);
    });
}
