// Which modules a configuration selects, with what rank and scale, and what it says when it selects none.

import FileSupport
import Models
import TensorEngine
import TestSupport
import Testing

@testable import Adapters

@Suite("Choosing modules for adapters")
struct SelectionTests {
    private let names: [String] = (0..<3).flatMap { layer in
        ["self_attn.q_proj", "self_attn.k_proj", "mlp.up_proj"].map { "model.layers.\(layer).\($0)" }
    }

    private func targets(_ configuration: LoRAConfiguration) throws -> [AdapterTarget] {
        try configuration.targets(among: names, layerCount: 3, location: "test")
    }

    private func chosen(_ targets: LoRAConfiguration.Targets, _ layers: LoRAConfiguration.Layers = .all)
        throws -> [String]
    {
        try self.targets(LoRAConfiguration(targets: targets, layers: layers)).map(\.moduleName)
    }

    @Test func allLinearMeansEveryModule() throws {
        #expect(try chosen(.allLinear) == names)
    }

    @Test func aNameMatchesWholeComponentsAtTheEnd() throws {
        #expect(try chosen(.named(["q_proj"])) == [names[0], names[3], names[6]])
        #expect(try chosen(.named(["model.layers.1.mlp.up_proj"])) == [names[5]])
        #expect(throws: InputError.self) { try chosen(.named(["proj"])) }
    }

    @Test func aPatternMustMatchTheWholeName() throws {
        #expect(
            try chosen(.matching(#"model\.layers\.[12]\..*(q|up)_proj"#)) == [
                names[3], names[5], names[6], names[8],
            ])
        #expect(throws: InputError.self) { try chosen(.matching("q_proj")) }
    }

    @Test func layersRestrictNamesButNotFullNames() throws {
        #expect(try chosen(.named(["q_proj"]), .only([2])) == [names[6]])
        #expect(try chosen(.allLinear, .last(1)) == Array(names[6...]))
        #expect(throws: InputError.self) { try chosen(.allLinear, .last(4)) }
        #expect(throws: InputError.self) { try chosen(.allLinear, .only([3])) }
    }

    @Test func theFirstPatternThatMatchesSetsRankAndAlpha() throws {
        let configuration = LoRAConfiguration(
            rank: 4, alpha: 8, rankPattern: [.init("up_proj", 16), .init(#"layers\.0\..*"#, 2)],
            alphaPattern: [.init(#"model\.layers\.2\.mlp\.up_proj"#, 4)])
        let targets = try targets(configuration)
        #expect(targets.map(\.rank) == [2, 2, 16, 4, 4, 16, 4, 4, 16])
        #expect(targets.map(\.scale) == [4, 4, 0.5, 2, 2, 0.5, 2, 2, 0.25])
    }

    @Test func rankStabilisedScalesByTheRoot() throws {
        let targets = try targets(LoRAConfiguration(rank: 16, alpha: 8, rankStabilised: true))
        #expect(targets.allSatisfy { $0.scale == 2 })
    }

    @Test func aTargetThatMatchesNothingNamesWhatIsThere() throws {
        let error = try #require(throws: InputError.self) { try chosen(.named(["q_prj"])) }
        #expect(error.problem == "\"q_prj\" matches no linear layer of the model in the chosen layers")
        #expect(
            error.advice
                == "Did you mean \"q_proj\"? The model's linear layers are q_proj, k_proj, up_proj.")
    }

    @Test(arguments: ["(a+)+", "(.*x)*", "((ab)*c)+", "(a{2,})*"])
    func patternsThatCouldRunForeverAreRefused(pattern: String) {
        #expect(throws: InputError.self) { try chosen(.matching(pattern)) }
    }

    @Test(arguments: [#"(.*\.)?q_proj"#, "[(+*]+", #"\(a+\)+"#, "(q|k)+_proj"])
    func harmlessPatternsAreNotMistakenForThem(pattern: String) {
        #expect(!ModulePattern.nestsRepetitions(pattern))
    }

    @Test(arguments: [0, -1, 1 << 20])
    func ranksOutOfRangeAreRefused(rank: Int) {
        #expect(throws: InputError.self) { try targets(LoRAConfiguration(rank: rank)) }
        #expect(throws: InputError.self) {
            try targets(LoRAConfiguration(rankPattern: [.init("q_proj", rank)]))
        }
    }
}
