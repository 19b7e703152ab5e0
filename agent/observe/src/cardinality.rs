//! Whether names are data: decided by how many there are, where each is seen on its own.
//!
//! Route segments below one prefix, and the members of one object, are names of an interface, or data such as a user's
//! name. An interface has a limited number of names, each seen again; of data there is always more to come. How many
//! there are in all is estimated from those seen once and twice (A. Chao, "Estimating the population size for
//! capture-recapture data with unequal catchability", 1987, in its bias-corrected form).

use serde::{Deserialize, Serialize};

/// Names, and chances to see them, of which no more are needed to decide.
const ENOUGH: usize = 64;
/// Names, seen and to come, from which on they are data.
const MANY: u64 = 1_024;
/// Names seen from which on they are data, whatever is to come.
const TOO_MANY: usize = 256;
/// Times after which a name is one of the interface, whatever the others are.
pub(crate) const OFTEN: u8 = 16;

/// How many names of one place were seen how often.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    trials: usize,
    names: usize,
    often: usize,
    once: u64,
    twice: u64,
}

impl Seen {
    /// Takes the next chance of names to be seen: names that come together are of one.
    pub(crate) fn trial(&mut self) {
        self.trials = self.trials.saturating_add(1);
    }

    /// Takes a name that is seen once more, and that was seen `times` before; counts it there up to [`OFTEN`].
    pub(crate) fn add(&mut self, times: &mut u8) {
        match *times {
            0 => {
                self.names += 1;
                self.once += 1;
            }
            1 => {
                self.once -= 1;
                self.twice += 1;
            }
            2 => self.twice -= 1,
            OFTEN.. => return,
            _ => {}
        }
        *times += 1;
        self.often += usize::from(*times == OFTEN);
    }

    /// Whether those not seen often are data.
    pub(crate) fn are_data(&self) -> bool {
        let rare = self.names - self.often;
        let to_come = self.once * self.once.saturating_sub(1) / (2 * (self.twice + 1));
        self.trials > ENOUGH && (rare > TOO_MANY || (rare > ENOUGH && rare as u64 + to_come > MANY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many of these names they are data.
    fn decided(names: impl Iterator<Item = u64>) -> Option<usize> {
        let mut seen = Seen::default();
        let mut times = std::collections::BTreeMap::<u64, u8>::new();
        names.take(100_000).position(|name| {
            seen.trial();
            seen.add(times.entry(name).or_default());
            seen.are_data()
        })
    }

    #[test]
    fn data_is_told_from_an_interface() {
        let random = |of: u64| (0..).map(move |i: u64| crate::hash::mix(i) % of);
        assert_eq!(decided(0..), Some(ENOUGH));
        assert!(decided(random(1_000_000)).is_some_and(|after| after < 80));
        assert!(decided(random(5_000)).is_some_and(|after| after < 200));
        // Heavy-tailed: the square of a uniform number.
        assert!(decided(random(1_000).map(|n| n * n * n)).is_some_and(|after| after < 1_000));
        for methods in [1, 10, 64, 100, 200] {
            assert_eq!(decided(random(methods)), None, "{methods}");
            assert_eq!(decided((0..).map(move |i| i % methods)), decided(0..methods), "{methods}");
        }
    }
}
