//! The same load with each side beside it, in rounds.

use anyhow::{Context as _, Result};

use super::beside::Side;
use super::load::{Figure, Load};
use super::server::Server;
use crate::bench::rounds::Spread;

/// Every side once in each round.
pub(super) struct Rounds {
    pub(super) sides: Vec<Side>,
    rounds: Vec<Vec<(Side, Figure)>>,
}

impl Rounds {
    /// Measures `count` rounds, after a warm-up that is thrown away. [`Side::Nothing`] is one of the sides.
    pub(super) fn run(load: &Load, sides: &[Side], count: usize, server: &Server) -> Result<Self> {
        load.measure(server, Side::Nothing)?;
        let mut rounds = Vec::new();
        for round in 0..count {
            let mut order = sides.to_vec();
            // There and back, so that a drift of the machine's speed hits every side.
            if round % 2 == 1 {
                order.reverse();
            }
            let figures = order.into_iter().map(|side| Ok((side, load.measure(server, side)?)));
            rounds.push(figures.collect::<Result<Vec<_>>>()?);
        }
        Ok(Self { sides: sides.to_vec(), rounds })
    }

    /// Of one side.
    pub(super) fn spread(&self, side: Side, of: impl Fn(&Figure) -> f64) -> Result<Spread> {
        Spread::of(self.figures(side).map(of)).context("nothing was measured")
    }

    /// Of one side, as ratios to nothing in the same round.
    pub(super) fn ratios(&self, side: Side, of: impl Fn(&Figure) -> f64) -> Result<Spread> {
        let pairs = self.figures(side).zip(self.figures(Side::Nothing));
        Spread::of(pairs.map(|(figure, base)| of(figure) / of(base))).context("nothing was measured")
    }

    fn figures(&self, side: Side) -> impl Iterator<Item = &Figure> {
        self.rounds.iter().flatten().filter(move |(of, _)| *of == side).map(|(_, figure)| figure)
    }
}
