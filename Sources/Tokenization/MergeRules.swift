// The merge rules of a model as ids: listed in the file, or implied by the vocabulary.

import FileSupport

struct MergeRule: Equatable, Sendable {
    var left: Int32
    var right: Int32
    var merged: Int32
}

extension TokenizerDefinition {
    /// Longer tokens would make the search for implied merges quadratic.
    private static let longestMergedToken = 2048

    /// The rules in order of priority.
    func mergeRules(_ vocabulary: Vocabulary) throws(InputError) -> [MergeRule] {
        if let mergePriorities { return try impliedRules(vocabulary, priorities: mergePriorities) }
        var rules: [MergeRule] = []
        rules.reserveCapacity(merges.count)
        for (rank, merge) in merges.enumerated() {
            func id(_ token: String) throws(InputError) -> Int32 {
                if let id = vocabulary.id(ofToken: token) { return id }
                throw InputError(
                    location,
                    "merge \(rank) (\"\(merge.left)\" with \"\(merge.right)\") needs the token \"\(token)\", "
                        + "which is not in the vocabulary")
            }
            rules.append(
                MergeRule(
                    left: try id(merge.left), right: try id(merge.right),
                    merged: try id(merge.left + merge.right)))
        }
        return rules
    }

    /// Every two tokens that make up a third, as transformers derives merges: by falling priority of what they make, then
    /// falling lengths of the two in characters, then in the order of the ids.
    ///
    /// SentencePiece itself merges the leftmost of equals first, whatever their lengths.
    private func impliedRules(_ vocabulary: Vocabulary, priorities: [Double]) throws(InputError)
        -> [MergeRule]
    {
        struct Candidate {
            var rule: MergeRule
            var priority: Double
            var leftLength: Int
            var rightLength: Int
        }
        var candidates: [Candidate] = []
        for token in tokens.sorted(by: { $0.id < $1.id }) where priorities.indices.contains(token.id) {
            let content = Array(token.content.utf8)
            guard content.count <= Self.longestMergedToken else {
                throw InputError(
                    location, expected: "tokens of at most \(Self.longestMergedToken) bytes",
                    found: "one of \(content.count), id \(token.id)")
            }
            let first = candidates.count
            let starts = content.indices.filter { content[$0] & 0xC0 != 0x80 }
            content.withUnsafeBufferPointer { content in
                for (leftLength, cut) in starts.enumerated().dropFirst() {
                    guard let left = vocabulary.id(of: UnsafeBufferPointer(rebasing: content[..<cut])),
                        let right = vocabulary.id(of: UnsafeBufferPointer(rebasing: content[cut...]))
                    else { continue }
                    candidates.append(
                        Candidate(
                            rule: MergeRule(left: left, right: right, merged: Int32(token.id)),
                            priority: priorities[token.id], leftLength: leftLength,
                            rightLength: starts.count - leftLength))
                }
            }
            candidates[first...].sort { ($0.rule.left, $0.rule.right) < ($1.rule.left, $1.rule.right) }
        }
        // The index makes the order of equals the order in which they were found.
        let order = candidates.indices.sorted { left, right in
            let (a, b) = (candidates[left], candidates[right])
            if a.priority != b.priority { return a.priority > b.priority }
            if a.leftLength != b.leftLength { return a.leftLength > b.leftLength }
            if a.rightLength != b.rightLength { return a.rightLength > b.rightLength }
            return left < right
        }
        return order.map { candidates[$0].rule }
    }
}
