// Shares by layer, as plans write them: `3-28: 0.9`, or a list with one share for each layer.

import FileSupport

enum SparsityPlanShares {
    /// Layers beyond this are no model's: bounds what a range in a file can cost.
    static let mostLayers = 1 << 12

    /// Shares of a mapping from layers to shares, or of a list of shares; those that are 0 are left out.
    static func read(_ value: JSONValue, _ location: String) throws(InputError) -> [Int: Double] {
        var shares: [Int: Double] = [:]
        switch value {
        case .object(let object):
            for (key, value) in object.members {
                let share = try share(value, "\(location) \(key)")
                for layer in try layers(key, location) {
                    guard shares.updateValue(share, forKey: layer) == nil else {
                        throw InputError("\(location) \(key)", "layer \(layer) has a share already")
                    }
                }
            }
        case .array(let values):
            guard values.count <= mostLayers else {
                throw InputError(
                    location, expected: "at most \(mostLayers) layers", found: "\(values.count)")
            }
            for (layer, value) in values.enumerated() {
                shares[layer] = try share(value, "\(location) layer \(layer)")
            }
        default:
            throw InputError(
                location, expected: "shares by layer, such as \"3-28: 0.9\", or a list of them",
                found: value.kindName)
        }
        return shares.filter { $0.value != 0 }
    }

    /// A number in [0, 1).
    static func share(_ value: JSONValue, _ location: String) throws(InputError) -> Double {
        guard let share = value.doubleValue else {
            throw InputError(location, expected: "a share from 0 to below 1", found: value.kindName)
        }
        try check(share, location)
        return share
    }

    static func check(_ share: Double, _ location: String) throws(InputError) {
        guard share >= 0, share < 1 else {
            throw InputError(
                location, expected: "a share from 0 to below 1 of channels to leave out", found: "\(share)")
        }
    }

    /// The layers of `7`, `3-28` or `3-5, 8`.
    static func layers(_ text: String, _ location: String) throws(InputError) -> [Int] {
        var layers: [Int] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map(number)
            guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil, first <= last
            else {
                throw InputError(
                    location, expected: "layers such as 7, 3-28 or \"3-5, 8\"", found: "\"\(text)\"")
            }
            guard last < mostLayers, layers.count + last - first < mostLayers else {
                throw InputError(location, expected: "layers below \(mostLayers)", found: "\"\(text)\"")
            }
            layers += first...last
        }
        return layers
    }

    /// A layer's number: digits and nothing else, spaces around them aside.
    static func number(_ text: some StringProtocol) -> Int? {
        var number = Array(text.utf8.drop { $0 == 0x20 })
        while number.last == 0x20 { number.removeLast() }
        guard (1...9).contains(number.count), number.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return number.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    /// Neighbouring layers with one share as ranges, ascending; shares of 0 are left out.
    static func ranges(_ shares: [Int: Double]) -> [(layers: ClosedRange<Int>, share: Double)] {
        var ranges: [(layers: ClosedRange<Int>, share: Double)] = []
        for (layer, share) in shares.sorted(by: { $0.key < $1.key }) where share != 0 {
            if let last = ranges.last, last.share == share, last.layers.upperBound == layer - 1 {
                ranges[ranges.count - 1].layers = last.layers.lowerBound...layer
            } else {
                ranges.append((layer...layer, share))
            }
        }
        return ranges
    }
}
