//! How a source as a whole is, said once for each change.

use event::vocabulary::ConnectorState;
use tokio::sync::Mutex;

use crate::{EmitError, Emitter, Status};

/// Says how the source is, unless that was said last.
#[derive(Debug)]
pub struct Voice {
    emitter: Emitter,
    last: Mutex<Option<(ConnectorState, Option<String>)>>,
}

impl Voice {
    /// One that has said nothing yet.
    #[must_use]
    pub fn new(emitter: Emitter) -> Self {
        Self { emitter, last: Mutex::new(None) }
    }

    /// Says how the source is, and why.
    ///
    /// # Errors
    /// When the catalog takes nothing any more.
    pub async fn say(&self, state: ConnectorState, why: Option<String>) -> Result<(), EmitError> {
        let mut last = self.last.lock().await;
        let now = Some((state, why));
        if *last != now {
            let why = now.as_ref().and_then(|(_, why)| why.clone());
            self.emitter.status(Status { state, scope: None, why }).await?;
            *last = now;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Emission, channel};

    #[tokio::test]
    async fn the_same_is_said_once() {
        let (emitter, mut emissions) = channel();
        let voice = Voice::new(emitter);
        let failing = || Some("why".to_owned());
        voice.say(ConnectorState::Working, None).await.unwrap();
        voice.say(ConnectorState::Working, None).await.unwrap();
        voice.say(ConnectorState::Failing, failing()).await.unwrap();
        voice.say(ConnectorState::Failing, failing()).await.unwrap();
        voice.say(ConnectorState::Working, None).await.unwrap();
        drop(voice);
        let mut said = Vec::new();
        while let Some(Emission::Status(Status { state, why, .. })) = emissions.recv().await {
            said.push((state, why));
        }
        let working = (ConnectorState::Working, None);
        assert_eq!(said, [working.clone(), (ConnectorState::Failing, failing()), working]);
    }
}
