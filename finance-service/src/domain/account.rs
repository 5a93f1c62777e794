//! The accounts between which money moves (DESIGN.md M4).

use uuid::Uuid;

/// One party of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What the company owes an employee, or the employee the company.
    Employee(Uuid),
    /// The company's own side of fees and rewards.
    Company,
}
