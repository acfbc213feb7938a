//! Finds schemas that apply to the same instance again and again (`{"allOf":[{"$ref":"#"}]}`): the reference notices
//! while it validates and throws.

use super::model::{Dependency, Edge, Node, NodeId};

/// Whether a node reaches itself without a step into the instance.
pub(super) fn has_loop(nodes: &[Node]) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut states = vec![State::New; nodes.len()];
    for start in 0..nodes.len() {
        if states[start] != State::New {
            continue;
        }
        states[start] = State::Open;
        let mut path: Vec<(NodeId, Vec<NodeId>)> = vec![(start, in_place(&nodes[start]))];
        while let Some((node, pending)) = path.last_mut() {
            match pending.pop() {
                Some(next) => match states[next] {
                    State::Open => return true,
                    State::Done => {}
                    State::New => {
                        states[next] = State::Open;
                        path.push((next, in_place(&nodes[next])));
                    }
                },
                None => {
                    states[*node] = State::Done;
                    path.pop();
                }
            }
        }
    }
    false
}

/// Nodes that apply to the same instance as `node`.
fn in_place(node: &Node) -> Vec<NodeId> {
    let mut next: Vec<NodeId> = Vec::new();
    if let Some(any) = &node.any {
        let edges: [&[Edge]; 3] = [&any.all_of, &any.any_of, &any.one_of];
        next.extend(edges.into_iter().flatten().map(|edge| edge.node));
        next.extend(any.not.map(|edge| edge.node));
    }
    if let Some(object) = &node.object {
        next.extend(
            object
                .dependencies
                .iter()
                .filter_map(|(_, rule)| match rule {
                    Dependency::Schema(edge) => Some(edge.node),
                    Dependency::Properties(_) => None,
                }),
        );
    }
    next
}
