// Which layers see only the latest keys, as families arrange them and as configurations of every age say it.

import Checkpoints
import FileSupport

/// How a family spreads attention windows over its layers.
enum WindowPattern: Equatable, Sendable {
    case none
    /// `sliding_window` holds for every layer; null for none.
    case everyLayer
    /// The same, and absent for none.
    case everyLayerIfStated
    /// Layers from `max_window_layers` on, when `use_sliding_window` is set.
    case upperLayers
    /// All layers but every n-th, which sees everything.
    case allButEvery(Int)
    /// Layers that do not rotate, when `use_sliding_window` is set.
    case unrotatedLayers

    /// What transformers takes for an absent `sliding_window`.
    private static let defaultWindow = 4096
    private static let defaultFirstWindowedLayer = 28

    private var hasDefaultWindow: Bool { self != .everyLayerIfStated && self != .unrotatedLayers }

    /// The keys that a query sees in each layer, 0 for all.
    func windows(
        _ fields: ConfigurationFields, layerCount: Int, unrotatedLayers: Set<Int>
    ) throws(InputError) -> [Int] {
        let everywhere = [Int](repeating: 0, count: layerCount)
        if self == .none { return everywhere }
        if self == .upperLayers || self == .unrotatedLayers,
            try !fields.bool("use_sliding_window", default: false)
        {
            return everywhere
        }
        // Absent and null differ here: null says that there is no window.
        let isAbsent = fields.object["sliding_window"] == nil
        if fields.object["sliding_window"] == .null || isAbsent && !hasDefaultWindow { return everywhere }
        let window = try fields.integer(
            "sliding_window", in: 1...LargestSize.positions, default: Self.defaultWindow)
        if self == .everyLayer || self == .everyLayerIfStated {
            return [Int](repeating: window, count: layerCount)
        }
        if let hasWindow = try Self.layerTypes(fields, layerCount: layerCount) {
            return hasWindow.map { $0 ? window : 0 }
        }
        if case .allButEvery(let usual) = self {
            let period = try fields.integer(
                "sliding_window_pattern", in: 1...LargestSize.layers, default: usual)
            return Self.allButEvery(period, window, layerCount)
        }
        if self == .unrotatedLayers {
            return (0..<layerCount).map { unrotatedLayers.contains($0) ? window : 0 }
        }
        let first = try fields.integer(
            "max_window_layers", in: 0...LargestSize.layers, default: Self.defaultFirstWindowedLayer)
        return (0..<layerCount).map { $0 >= first ? window : 0 }
    }

    /// GGUF files of families with a pattern store the window, and perhaps the period. Those of Qwen store nothing.
    func windows(_ keys: GGUFKeys, layerCount: Int) throws(InputError) -> [Int] {
        let windowKey = "attention.sliding_window"
        switch self {
        case .none:
            guard try keys.integer(windowKey, in: 0...LargestSize.positions, default: 0) == 0 else {
                throw keys.unsupported(windowKey, "windows are not supported in this architecture")
            }
            return [Int](repeating: 0, count: layerCount)
        case .upperLayers, .unrotatedLayers: return [Int](repeating: 0, count: layerCount)
        case .everyLayer, .everyLayerIfStated:
            let window = try keys.integer(windowKey, in: 0...LargestSize.positions, default: 0)
            return [Int](repeating: window, count: layerCount)
        case .allButEvery(let usual):
            let window = try keys.integer(windowKey, in: 1...LargestSize.positions)
            let key = "attention.sliding_window_pattern"
            if let flags = try keys.flags(key, count: layerCount) { return flags.map { $0 ? window : 0 } }
            let period = try keys.integer(key, in: 1...LargestSize.layers, default: usual)
            return Self.allButEvery(period, window, layerCount)
        }
    }

    private static func allButEvery(_ period: Int, _ window: Int, _ layerCount: Int) -> [Int] {
        (1...layerCount).map { $0.isMultiple(of: period) ? 0 : window }
    }

    /// `layer_types`: whether each layer has a window; nil when the configuration does not say.
    private static func layerTypes(
        _ fields: ConfigurationFields, layerCount: Int
    ) throws(InputError) -> [Bool]? {
        guard let value = fields.value("layer_types") else { return nil }
        let location = "\(fields.location) layer_types"
        guard let names = value.arrayValue, names.count == layerCount else {
            throw InputError(
                location, expected: "an array with a name for each of the \(layerCount) layers",
                found: value.arrayValue.map { "\($0.count) names" } ?? value.kindName)
        }
        var hasWindow: [Bool] = []
        for name in names {
            switch name.stringValue {
            case "sliding_attention": hasWindow.append(true)
            case "full_attention": hasWindow.append(false)
            default:
                throw InputError(
                    location, expected: "full_attention or sliding_attention",
                    found: name.serialized().prefix(60).description)
            }
        }
        return hasWindow
    }
}

extension Family {
    static func lastOfEvery(_ interval: Int, layerCount: Int) -> Set<Int> {
        Set((0..<layerCount).filter { ($0 + 1).isMultiple(of: interval) })
    }

    /// Which layers do not rotate queries and keys: `no_rope_layers` holds 0 for them.
    func unrotatedLayers(_ fields: ConfigurationFields, layerCount: Int) throws(InputError) -> Set<Int> {
        guard let usual = unrotatedInterval else { return [] }
        guard let value = fields.value("no_rope_layers") else {
            let interval = try fields.integer(
                "no_rope_layer_interval", in: 1...LargestSize.layers, default: usual)
            return Self.lastOfEvery(interval, layerCount: layerCount)
        }
        let flags = value.arrayValue?.map(\.integerValue)
        guard let flags, flags.count >= layerCount, flags.allSatisfy({ $0 == 0 || $0 == 1 }) else {
            throw InputError(
                "\(fields.location) no_rope_layers",
                expected: "an array with 0 or 1 for each of the \(layerCount) layers",
                found: value.serialized().prefix(60).description)
        }
        return Set((0..<layerCount).filter { flags[$0] == 0 })
    }
}
