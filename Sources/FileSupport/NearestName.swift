// "Did you mean ...?" for misspelt keys, tensors and options.

/// Finds the known name closest to one that is not known.
package enum NearestName {
    /// The candidate within a third of the name's length in edits (at least one, at most three), or nil.
    ///
    /// Letter case, "-" and "_" do not count: `--learning-rate` and `learning_rate` are one name to a user.
    /// Of equally near candidates the first stands.
    package static func suggestion(for name: String, among candidates: some Sequence<String>) -> String? {
        let wanted = folded(name)
        let limit = max(1, min(3, wanted.count / 3))
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let other = folded(candidate)
            guard abs(other.count - wanted.count) <= limit else { continue }
            let distance = editDistance(wanted, other)
            if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.name
    }

    /// `Did you mean "X"?`, ready for `InputError.advice`, or nil when nothing is near.
    package static func advice(for name: String, among candidates: some Sequence<String>) -> String? {
        suggestion(for: name, among: candidates).map { "Did you mean \"\($0)\"?" }
    }

    private static func folded(_ name: String) -> [UInt8] {
        name.utf8.prefix(200).map { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
            case UInt8(ascii: "-"): UInt8(ascii: "_")
            default: byte
            }
        }
    }

    /// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
    private static func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforePrevious = [Int](repeating: 0, count: right.count + 1)
        var previous = Array(0...right.count)
        var row = previous
        for i in left.indices {
            row[0] = i + 1
            for j in right.indices {
                var cost = previous[j] + (left[i] == right[j] ? 0 : 1)
                cost = min(cost, previous[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    cost = min(cost, beforePrevious[j - 1] + 1)
                }
                row[j + 1] = cost
            }
            (beforePrevious, previous, row) = (previous, row, beforePrevious)
        }
        return previous[right.count]
    }
}
