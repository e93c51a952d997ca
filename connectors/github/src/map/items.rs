//! What the files of a window show: documents, and what is wrong with others.

use connector::{Broken, Found, Problem, Target, documents, shown};
use event::vocabulary::Fault;
use model::location::GITHUB_HOSTS;
use serde_json::Value;

use super::reading::{Contents, Part, Reading};
use crate::place::Spot;

/// What a scope shows.
pub(crate) type Item = Result<Found, Broken>;

impl Reading {
    /// What a part of the window shows.
    pub(crate) fn show(&self, at: usize) -> Vec<Item> {
        let mut items = Vec::new();
        match self.part(at) {
            Part::File(path) => {
                let spot = Spot::here(path);
                let url = format!("url:{}", self.url(&spot));
                self.file(&spot, &url, &url, None, &mut items);
            }
            Part::Cut => {
                let whole = |why| self.whole("catalog_paths", None, "InputError", why);
                items.extend(self.why_cut.as_deref().map(whole).map(Err));
            }
            Part::Target(number) => self.target(number, &mut items),
        }
        items
    }

    /// What a Location entity wants.
    fn target(&self, number: usize, items: &mut Vec<Item>) {
        let target = &self.targets[number];
        let before = number.checked_sub(1).map(|before| &self.targets[before]);
        match self.spot_of(&target.target) {
            _ if self.branch.is_empty() => items.extend(self.lost(target).map(Err)),
            // What is configured is shown by that already.
            Ok(spot) if self.is_configured(&spot) && !self.is_absent(&spot) => {}
            Ok(spot) if self.is_absent(&spot) => items.extend(self.lost(target).map(Err)),
            Ok(_) if before.is_some_and(|before| before.target == target.target) => {}
            Ok(spot) => {
                let location = format!("url:{}", target.target);
                self.file(&spot, &location, &target.origin, Some(target), items);
            }
            Err(why) => {
                let mut broken = self.whole(&target.target, Some(target), "InputError", &why);
                broken.required = false;
                items.push(Err(broken));
            }
        }
    }

    /// Adds what stands in a file.
    fn file(
        &self,
        spot: &Spot,
        location: &str,
        origin: &str,
        wanter: Option<&Target>,
        items: &mut Vec<Item>,
    ) {
        let item = wanter.map_or(spot.path.as_str(), |wanter| &wanter.target);
        let text = match self.contents(spot) {
            Contents::Text(text) if text.trim_ascii().is_empty() => {
                let why = "it is empty; a file that is to show nothing is deleted";
                items.push(Err(self.whole(item, wanter, "InputError", why)));
                return;
            }
            Contents::Text(text) => text,
            Contents::Wrong(why) => {
                items.push(Err(self.whole(item, wanter, "InputError", &why)));
                return;
            }
            Contents::Unknown(..) | Contents::Missing => return,
        };
        // The commit changes with each push, and a message must not: it would be told again.
        let name = format!("{}/{}", self.repository.name_with_owner, spot.path);
        let pointer = self.pointer(spot);
        let mut pages = self.pages(spot);
        let read = documents(text, &Self::place(&name, location, origin), &mut pages);
        for (index, read) in read.into_iter().enumerate() {
            let pointer = Some(format!("{pointer}#{index}"));
            items.push(match read {
                Ok(mut found) => {
                    self.annotate(&mut found.document, spot);
                    Ok(Found { pointer, ..found })
                }
                Err(Problem { index, about, fault }) => {
                    let required = about.is_none() && wanter.is_some();
                    let about = about.or_else(|| wanter.map(|wanter| wanter.entity.clone()));
                    let item = format!("{}#{index}", shown(item));
                    Err(Broken { item, about, required, fault, pointer })
                }
            });
        }
    }

    /// Says where a file is shown and changed, on hosts of which the model does not know that they
    /// are GitHub. What a file says itself stays.
    fn annotate(&self, document: &mut Value, spot: &Spot) {
        if GITHUB_HOSTS.contains(&self.config.host.name.as_str()) {
            return;
        }
        let annotations = document.pointer_mut("/metadata/annotations");
        let Some(Value::Object(annotations)) = annotations else { return };
        let page = self.url(spot);
        let view = |name: &str| page.replacen("/blob/", &format!("/{name}/"), 1);
        let tree = view("tree");
        let folder = &tree[..=tree.rfind('/').unwrap_or(tree.len() - 1)];
        for (key, value) in [
            ("backstage.io/view-url", page.clone()),
            ("backstage.io/edit-url", view("edit")),
            ("backstage.io/source-location", format!("url:{folder}")),
        ] {
            annotations.entry(key).or_insert_with(|| value.into());
        }
    }

    /// `owner/name@commit:path`
    fn pointer(&self, spot: &Spot) -> String {
        let commit = spot.expression(&self.head);
        shown(&format!("{}@{commit}", self.repository.name_with_owner))
    }

    fn whole(&self, item: &str, wanter: Option<&Target>, class: &'static str, why: &str) -> Broken {
        let item = shown(item);
        let message = format!("{}: {item}: {why}", self.repository.name_with_owner);
        Broken {
            about: wanter.map(|wanter| wanter.entity.clone()),
            required: wanter.is_some(),
            fault: Fault { name: class.into(), message },
            pointer: Some(format!("{}@{}", self.repository.name_with_owner, self.head)),
            item,
        }
    }

    /// A target that is not there, if somebody minds.
    fn lost(&self, target: &Target) -> Option<Broken> {
        let why = "there is no such file";
        let mut broken = self.whole(&target.target, Some(target), "NotFoundError", why);
        broken.item = format!("{} ({})", broken.item, target.entity);
        (!target.optional).then_some(broken)
    }
}
