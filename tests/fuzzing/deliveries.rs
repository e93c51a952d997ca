//! What is delivered by webhook: from a body to activities and changes.

use ci::map::{Told, cdevents, github, gitlab, jenkins, tekton};
use connector::{Activity, Whom};

/// The longest input whose second reading is compared: all is read twice.
const BYTES_MAX: usize = 1 << 20;

/// Whoever sends it and whatever it holds, it is read or refused with a reason, the same way each
/// time, and what it tells is of the form that activities have.
///
/// The first line names the sender and what its headers say, as in `github push` and `cdevents
/// application/json dev.cdevents.build.queued.0.1.1`; the rest is the body.
pub(crate) fn check(input: &[u8]) {
    if input.len() > BYTES_MAX {
        return;
    }
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (head, body) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let Ok(head) = std::str::from_utf8(head) else { return };
    let mut words = head.split(' ');
    let (sender, said) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let kind = words.next();
    let told = read(sender, said, kind, body);
    assert_eq!(format!("{told:?}"), format!("{:?}", read(sender, said, kind, body)));
    match told {
        Ok(activities) => activities.iter().for_each(is_of_its_form),
        Err(why) => assert!(!why.is_empty(), "a refusal has a reason"),
    }
    if sender == "github" {
        let changes = ::github::map::changes::read(said, body);
        assert_eq!(
            format!("{changes:?}"),
            format!("{:?}", ::github::map::changes::read(said, body))
        );
    }
}

fn read(
    sender: &str,
    said: &str,
    kind: Option<&str>,
    body: &[u8],
) -> Result<Vec<Activity>, String> {
    let attribute = |name: &str| match name {
        "specversion" => Some("1.0"),
        "type" => kind,
        "id" | "source" | "subject" => Some("fuzz"),
        _ => None,
    };
    match sender {
        "github" => Ok(github::read(said, body)?.into_iter().collect()),
        "gitlab" => Ok(gitlab::read(body)?.into_iter().collect()),
        "jenkins" => Ok(jenkins::read(body, &|job| job)?.into_iter().collect()),
        "cdevents" => {
            let matching = cdevents::Matching::default();
            Ok(whole(cdevents::read(said, &attribute, body, &matching)?))
        }
        "tekton" => Ok(whole(tekton::read(said, &attribute, body, "backstage.io/kubernetes-id")?)),
        _ => Err("nobody".into()),
    }
}

/// What several events tell: each tells something, nothing, or why not.
fn whole(told: Told) -> Vec<Activity> {
    assert!(told.activities.len() + told.wrong.len() <= told.events, "{told:?}");
    assert!(told.wrong.iter().all(|why| !why.is_empty()), "a refusal has a reason");
    told.activities
}

fn is_of_its_form(activity: &Activity) {
    assert!(activity.activity.starts_with("dev.cdevents."), "{activity:?}");
    assert!(!activity.key.is_empty(), "{activity:?}");
    match &activity.whom {
        Whom::Entity(reference) => assert!(reference.as_str().contains(':'), "{reference}"),
        Whom::Annotated(about) => assert!(!about.annotation.is_empty(), "{activity:?}"),
    }
}
