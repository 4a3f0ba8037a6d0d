// Comparison of arrays within a tolerance, with a message that says where they part.

package import Testing

/// Expects |actual - expected| <= absolute + relative * |expected| everywhere; NaN is never close.
package func expectClose(
    _ actual: [Float], _ expected: [Float], absolute: Float = 0, relative: Float = 0, _ what: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard actual.count == expected.count else {
        Issue.record(
            "\(what): \(actual.count) values, expected \(expected.count)", sourceLocation: sourceLocation)
        return
    }
    var first: Int?
    var worst = 0
    var worstExcess = -Float.infinity
    var failures = 0
    for index in actual.indices {
        let allowed = absolute + relative * expected[index].magnitude
        let difference = (actual[index] - expected[index]).magnitude
        if actual[index] == expected[index] || difference <= allowed { continue }
        failures += 1
        first = first ?? index
        let excess = difference.isNaN ? .infinity : difference / max(allowed, .leastNormalMagnitude)
        if excess > worstExcess {
            worst = index
            worstExcess = excess
        }
    }
    guard let first else { return }
    let limit = "\(absolute) + \(relative) |expected|"
    Issue.record(
        """
        \(what): \(failures) of \(actual.count) values differ by more than \(limit); \
        first [\(first)] \(actual[first]), expected \(expected[first]); \
        worst [\(worst)] \(actual[worst]), expected \(expected[worst])
        """, sourceLocation: sourceLocation)
}

/// The Euclidean distance between two arrays over the length of the expected one.
package func relativeError(_ actual: [Float], _ expected: [Float]) -> Double {
    precondition(actual.count == expected.count, "relativeError: \(actual.count), \(expected.count) values")
    var difference = 0.0
    var length = 0.0
    for (a, e) in zip(actual, expected) {
        difference += (Double(a) - Double(e)) * (Double(a) - Double(e))
        length += Double(e) * Double(e)
    }
    return (difference / max(length, .leastNormalMagnitude)).squareRoot()
}

/// The largest |a - b|; infinite when lengths differ or a number is not finite.
package func largestDifference(_ left: [Float], _ right: [Float]) -> Float {
    guard left.count == right.count else { return .infinity }
    var largest: Float = 0
    for (a, b) in zip(left, right) {
        guard a.isFinite, b.isFinite else { return .infinity }
        largest = max(largest, abs(a - b))
    }
    return largest
}
