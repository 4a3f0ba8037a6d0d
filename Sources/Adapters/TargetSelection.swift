// Which modules a configuration means, and with what rank and scale: resolved exactly as PEFT does.

import FileSupport
import Models

/// A module that gets an adapter.
struct AdapterTarget: Equatable {
    let moduleName: String
    let rank: Int
    let scale: Float
}

extension LoRAConfiguration {
    /// The largest rank that makes sense of any file.
    static let largestRank = 1 << 14

    /// Throws when a number is out of range. `location` names the configuration.
    func validate(location: String) throws(InputError) {
        func check(rank: Int, _ key: String) throws(InputError) {
            guard (1...Self.largestRank).contains(rank) else {
                throw InputError(
                    "\(location) \(key)", expected: "a rank from 1 to \(Self.largestRank)", found: "\(rank)")
            }
        }
        func check(alpha: Double, _ key: String) throws(InputError) {
            guard alpha.isFinite, alpha > 0, alpha <= 1e9 else {
                throw InputError("\(location) \(key)", expected: "a positive number", found: "\(alpha)")
            }
        }
        try check(rank: rank, "rank")
        try check(alpha: alpha, "alpha")
        for entry in rankPattern { try check(rank: entry.value, "rank of \"\(entry.pattern)\"") }
        for entry in alphaPattern { try check(alpha: entry.value, "alpha of \"\(entry.pattern)\"") }
        guard dropout >= 0, dropout < 1 else {
            throw InputError("\(location) dropout", expected: "a number from 0 up to 1", found: "\(dropout)")
        }
    }

    /// The modules to adapt, in the model's order.
    ///
    /// - Parameters:
    ///   - modules: those of the model.
    ///   - requiresEveryTarget: throw when one of several names matches nothing. PEFT does not, so files may hold such.
    /// - Throws: `InputError` when a pattern is wrong or matches nothing.
    func targets(
        among modules: [AdaptableModule], layerCount: Int, location: String, requiresEveryTarget: Bool = true
    ) throws(InputError) -> [AdapterTarget] {
        // A part of a fused module has no adapter of its own: PEFT could not load it.
        if case .named(let names) = targets, requiresEveryTarget {
            for module in modules where module.layers.count > 1 {
                let parts = module.layers.map { Self.kind(ofModule: $0.name) }
                guard let part = names.first(where: parts.contains) else { continue }
                throw InputError(
                    "\(location) targets",
                    "this model stores \(parts.joined(separator: ", ")) as one matrix, which takes one adapter",
                    advice: "Name \(Self.kind(ofModule: module.name)) instead of \(part).")
            }
        }
        return try targets(
            among: modules.map(\.name), layerCount: layerCount, location: location,
            requiresEveryTarget: requiresEveryTarget)
    }

    func targets(
        among moduleNames: [String], layerCount: Int, location: String, requiresEveryTarget: Bool = true
    ) throws(InputError) -> [AdapterTarget] {
        try validate(location: location)
        let layerNumbers = try selectedLayers(layerCount: layerCount, location: location)
        func isInSelectedLayer(_ name: String) -> Bool {
            guard let layerNumbers else { return true }
            return Self.layerNumber(of: name).map(layerNumbers.contains) ?? false
        }
        var chosen: Set<String> = []
        switch targets {
        case .allLinear: chosen = Set(moduleNames.filter(isInSelectedLayer))
        case .matching(let text):
            let pattern = try ModulePattern(text, .wholeName, location: "\(location) targets")
            chosen = Set(moduleNames.filter { pattern.matches($0) && isInSelectedLayer($0) })
            if chosen.isEmpty { throw Self.matchesNothing(text, among: moduleNames, location) }
        case .named(let names):
            for target in names {
                let matches = moduleNames.filter {
                    $0 == target || ($0.hasSuffix(".\(target)") && isInSelectedLayer($0))
                }
                if matches.isEmpty, requiresEveryTarget {
                    throw Self.matchesNothing(target, among: moduleNames, location)
                }
                chosen.formUnion(matches)
            }
        }
        guard !chosen.isEmpty else {
            throw InputError("\(location) targets", "no module of the model is selected")
        }
        return try resolved(moduleNames.filter(chosen.contains), location: location)
    }

    private func resolved(_ names: [String], location: String) throws(InputError) -> [AdapterTarget] {
        var ranks: [(pattern: ModulePattern, value: Int)] = []
        for entry in rankPattern {
            ranks.append(
                (
                    try ModulePattern(entry.pattern, .nameOrSuffix, location: "\(location) rankPattern"),
                    entry.value
                ))
        }
        var alphas: [(pattern: ModulePattern, value: Double)] = []
        for entry in alphaPattern {
            alphas.append(
                (
                    try ModulePattern(entry.pattern, .nameOrSuffix, location: "\(location) alphaPattern"),
                    entry.value
                ))
        }
        return names.map { name in
            let rank = ranks.first { $0.pattern.matches(name) }?.value ?? rank
            let alpha = alphas.first { $0.pattern.matches(name) }?.value ?? alpha
            let divisor = rankStabilised ? Double(rank).squareRoot() : Double(rank)
            return AdapterTarget(moduleName: name, rank: rank, scale: Float(alpha / divisor))
        }
    }

    /// Nil for all.
    private func selectedLayers(layerCount: Int, location: String) throws(InputError) -> Set<Int>? {
        switch layers {
        case .all: return nil
        case .only(let numbers):
            for number in numbers where !(0..<layerCount).contains(number) {
                throw InputError(
                    "\(location) layers", expected: "numbers from 0 to \(layerCount - 1)", found: "\(number)")
            }
            return Set(numbers)
        case .last(let count):
            guard (1...layerCount).contains(count) else {
                throw InputError(
                    "\(location) layers", expected: "from 1 to the model's \(layerCount) layers",
                    found: "\(count)")
            }
            return Set(layerCount - count..<layerCount)
        }
    }

    /// The first number that stands as a whole component of the name: `model.layers.3.mlp.up_proj` -> 3.
    private static func layerNumber(of name: String) -> Int? {
        name.split(separator: ".").lazy.compactMap { Int($0) }.first
    }

    /// `model.layers.3.mlp.up_proj` -> `up_proj`
    private static func kind(ofModule name: String) -> String {
        name.split(separator: ".").last.map(String.init) ?? name
    }

    private static func matchesNothing(
        _ target: String, among moduleNames: [String], _ location: String
    ) -> InputError {
        var kinds: [String] = []
        for name in moduleNames {
            let kind = kind(ofModule: name)
            if !kinds.contains(kind) { kinds.append(kind) }
        }
        let nearest = NearestName.advice(for: target, among: kinds + moduleNames)
        let advice = [nearest, "The model's linear layers are \(kinds.joined(separator: ", "))."]
        return InputError(
            "\(location) targets", "\"\(target)\" matches no linear layer of the model in the chosen layers",
            advice: advice.compactMap(\.self).joined(separator: " "))
    }
}
