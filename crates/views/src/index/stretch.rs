//! What the records of one stretch of the log changed in sets that belong together.

use std::collections::HashMap;
use std::ops::Range;

use event::Offset;
use fold::EntityId;

/// Changes by form (the part of a set's name behind its path), then by entity, then by offset.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    /// Its first record, and the last that was read for it.
    base: Offset,
    pub(super) until: Offset,
    /// The forms one behind the other; where each ends, and where its changes do.
    text: Box<[u8]>,
    ends: Box<[(u32, u32)]>,
    ids: Box<[u32]>,
    /// A bit for each: whether the entity was there before.
    there: Box<[u64]>,
    /// By how much each came after the first record; none where only the first change to each
    /// member is kept.
    offsets: Box<[u16]>,
}

impl Stretch {
    pub(super) const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// How many forms there are.
    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn form(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before].0);
        &self.text[start as usize..self.ends[at].0 as usize]
    }

    fn places(&self, form: usize) -> Range<usize> {
        let start = form.checked_sub(1).map_or(0, |before| self.ends[before].1);
        start as usize..self.ends[form].1 as usize
    }

    fn was_there(&self, place: usize) -> bool {
        self.there[place / 64] >> (place % 64) & 1 == 1
    }

    /// The first change to each member of a set after one record, up to and with another.
    pub(super) fn changes(
        &self,
        form: usize,
        after: Offset,
        last: Offset,
    ) -> impl Iterator<Item = (EntityId, bool)> + '_ {
        let is_seen = move |place: &usize| {
            let Some(since) = self.offsets.get(*place) else { return true };
            let offset = self.base + Offset::from(*since);
            offset > after && offset <= last
        };
        let mut before = None;
        self.places(form).filter(is_seen).filter_map(move |place| {
            let id = self.ids[place];
            let is_first = before.replace(id) != Some(id);
            is_first.then(|| (EntityId(id), self.was_there(place)))
        })
    }

    pub(super) const fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.text.len()
            + self.ends.len() * 8
            + self.ids.len() * 4
            + self.there.len() * 8
            + self.offsets.len() * 2
    }

    /// Two that follow one another, as one.
    pub(super) fn merged(older: &Self, newer: &Self, first_only: bool) -> Self {
        let mut builder = Builder::new(first_only);
        let (mut a, mut b) = (0, 0);
        loop {
            let forms = (
                (a < older.len()).then(|| older.form(a)),
                (b < newer.len()).then(|| newer.form(b)),
            );
            let (takes_older, takes_newer) = match forms {
                (None, None) => break,
                (Some(_), None) => (true, false),
                (None, Some(_)) => (false, true),
                (Some(mine), Some(theirs)) => (mine <= theirs, theirs <= mine),
            };
            let mine = if takes_older { older.places(a) } else { 0..0 };
            let theirs = if takes_newer { newer.places(b) } else { 0..0 };
            merge_places((older, mine), (newer, theirs), &mut builder);
            builder.end_form(if takes_older { older.form(a) } else { newer.form(b) });
            a += usize::from(takes_older);
            b += usize::from(takes_newer);
        }
        builder.finish(older.base, newer.until)
    }
}

/// Hands over the changes of two parts of one form: by entity, and of one entity the older first.
fn merge_places(
    (older, mut mine): (&Stretch, Range<usize>),
    (newer, mut theirs): (&Stretch, Range<usize>),
    builder: &mut Builder,
) {
    while !mine.is_empty() || !theirs.is_empty() {
        let is_older = !mine.is_empty()
            && (theirs.is_empty() || older.ids[mine.start] <= newer.ids[theirs.start]);
        let (from, places) = if is_older { (older, &mut mine) } else { (newer, &mut theirs) };
        let place = places.start;
        places.start += 1;
        let offset = from.offsets.get(place).copied().unwrap_or_default();
        builder.push(from.ids[place], offset, from.was_there(place));
    }
}

/// Puts a stretch together from changes that come in its order.
struct Builder {
    first_only: bool,
    text: Vec<u8>,
    ends: Vec<(u32, u32)>,
    ids: Vec<u32>,
    there: Vec<u64>,
    offsets: Vec<u16>,
    /// Where the form begins that is being filled.
    begins: usize,
}

impl Builder {
    fn new(first_only: bool) -> Self {
        let (text, ends, ids) = (Vec::new(), Vec::new(), Vec::new());
        Self { first_only, text, ends, ids, there: Vec::new(), offsets: Vec::new(), begins: 0 }
    }

    fn push(&mut self, id: u32, offset: u16, was_there: bool) {
        if self.first_only {
            if self.ids.len() > self.begins && self.ids.last() == Some(&id) {
                return;
            }
        } else {
            self.offsets.push(offset);
        }
        let place = self.ids.len();
        if place.is_multiple_of(64) {
            self.there.push(0);
        }
        self.there[place / 64] |= u64::from(was_there) << (place % 64);
        self.ids.push(id);
    }

    fn end_form(&mut self, form: &[u8]) {
        if self.ids.len() == self.begins {
            return;
        }
        self.begins = self.ids.len();
        self.text.extend_from_slice(form);
        let end = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        self.ends.push((end(self.text.len()), end(self.ids.len())));
    }

    fn finish(self, base: Offset, until: Offset) -> Stretch {
        Stretch {
            base,
            until,
            text: self.text.into(),
            ends: self.ends.into(),
            ids: self.ids.into(),
            there: self.there.into(),
            offsets: self.offsets.into(),
        }
    }
}

/// Takes changes in that come in any order but that of one entity and record among themselves.
#[derive(Default)]
pub(super) struct Collector {
    forms: HashMap<Box<[u8]>, u32>,
    forms_bytes: usize,
    changes: Vec<Change>,
}

/// What a form takes beside its text while changes are taken in, in bytes, about.
const FORM_BYTES: usize = 48;

/// Form, entity, offset from the first record, and whether it was there before.
type Change = (u32, u32, u32, bool);

impl Collector {
    pub(super) fn add(&mut self, form: &[u8], id: EntityId, since: Offset, was_there: bool) {
        let next = u32::try_from(self.forms.len()).unwrap_or(u32::MAX);
        let form = match self.forms.get(form) {
            Some(known) => *known,
            None => {
                self.forms_bytes += form.len() + FORM_BYTES;
                *self.forms.entry(form.into()).or_insert(next)
            }
        };
        let since = u32::try_from(since).unwrap_or(u32::MAX);
        self.changes.push((form, id.0, since, was_there));
    }

    /// Bytes in memory.
    pub(super) const fn bytes(&self) -> usize {
        self.forms_bytes + self.changes.len() * size_of::<Change>()
    }

    pub(super) fn finish(self, base: Offset, until: Offset, first_only: bool) -> Stretch {
        let Self { forms, mut changes, .. } = self;
        let mut forms: Vec<(Box<[u8]>, u32)> = forms.into_iter().collect();
        forms.sort_unstable();
        let mut ranks = vec![0; forms.len()];
        for (rank, (_, number)) in (0..).zip(&forms) {
            ranks[*number as usize] = rank;
        }
        for (form, ..) in &mut changes {
            *form = ranks[*form as usize];
        }
        // In one record the first word on an entity is the one to go back to.
        changes.sort_by_key(|(form, id, since, _)| (*form, *id, *since));
        let mut builder = Builder::new(first_only);
        for changes in changes.chunk_by(|a, b| a.0 == b.0) {
            for (_, id, since, was_there) in changes {
                builder.push(*id, u16::try_from(*since).unwrap_or(u16::MAX), *was_there);
            }
            if let Some((form, ..)) = changes.first() {
                builder.end_form(&forms[*form as usize].0);
            }
        }
        builder.finish(base, until)
    }
}
