// Predictors between runs: made once, read back exactly, made again when damaged, refused when another model's.

import Checkpoints
import ContextualSparsity
import FileSupport
import Foundation
import Models
import TensorEngine
import TestSupport
import Testing

@Suite struct PredictorCacheTests {
    @Test func `predictors are made once and read back exactly`() throws {
        let run = try SparseRun("llama")
        try withTemporaryFolder { folder in
            let cache = PredictorCache(folder: "\(folder)/predictors")
            let made = try cache.predictors(of: run.model, fingerprint: run.fingerprint, rank: 6)
            let read = try cache.predictors(of: run.model, fingerprint: run.fingerprint, rank: 6)
            #expect(made.origin == .made && read.origin == .cache && made.predictors == read.predictors)
            #expect(made.predictors == read.predictors && made.predictors.rank == 6)
            #expect(
                try cache.predictors(of: run.model, fingerprint: run.fingerprint, rank: 3).origin == .made)
            let other = try SparseRun("qwen3")
            #expect(
                try cache.predictors(of: other.model, fingerprint: other.fingerprint, rank: 6).origin == .made
            )
        }
    }

    @Test(arguments: ["model.safetensors", "config.json"], [0, 1, 60])
    func `what is damaged is made again`(file: String, length: Int) throws {
        let run = try SparseRun("llama")
        try withTemporaryFolder { folder in
            let cache = PredictorCache(folder: folder)
            let made = try cache.predictors(of: run.model, fingerprint: run.fingerprint, rank: 4)
            let entries = try FileManager.default.contentsOfDirectory(atPath: folder)
            let path = "\(folder)/\(try #require(entries.first))/\(file)"
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            try bytes.prefix(length).write(to: URL(fileURLWithPath: path))
            let remade = try cache.predictors(of: run.model, fingerprint: run.fingerprint, rank: 4)
            guard case .remade = remade.origin else {
                Issue.record("not made again: \(remade.origin)")
                return
            }
            #expect(remade.predictors == made.predictors)
            #expect(
                try cache.predictors(of: run.model, fingerprint: run.fingerprint, rank: 4).origin == .cache)
        }
    }

    @Test func `factors are those of the weights, padded where a side is short`() throws {
        let run = try SparseRun("qwen3")
        let predictors = SparsityPredictors(of: run.model, rank: 40)
        let value = try #require(predictors.attention[1]).value
        #expect(value.rank == 40 && value.w1.count == value.inputWidth * 40)
        let w1 = SmallMatrix(rowCount: value.inputWidth, width: 40, values: value.w1.map(Double.init))
        let w2 = SmallMatrix(rowCount: 40, width: value.outputWidth, values: value.w2.map(Double.init))
        let product = w1.times(w2).transposed.values.map { Float($0) }
        let weight = run.backend.download(run.model.linears(ofLayer: 1).value.weight.tensor)
        expectClose(product, weight, absolute: 1e-5)
    }

    @Test func `the folder comes from the environment`() throws {
        func folder(_ environment: [String: String]) throws -> String {
            try PredictorCache.standard(environment: environment).folder
        }
        #expect(try folder(["SPARSELORA_CACHE": "/a", "HOME": "/h"]) == "/a/predictors")
        #expect(
            try folder(["XDG_CACHE_HOME": "/x", "SPARSELORA_CACHE": "", "HOME": "/h"])
                == "/x/sparselora/predictors")
        #expect(try folder(["HOME": "/h"]) == "/h/.cache/sparselora/predictors")
        #expect(throws: InputError.self) { try folder([:]) }
    }

    @Test func `a published folder serves its model and no other`() throws {
        let run = try SparseRun("llama")
        var plan = run.plan(.paper)
        plan.rank = 5
        try withTemporaryFolder { folder in
            func prepared(_ run: SparseRun, folder: String?) throws -> (policy: ScoredSparsity, note: String?)
            {
                try ScoredSparsity.prepared(
                    run.model, fingerprint: run.fingerprint, plan: plan, predictorFolder: folder,
                    cache: PredictorCache(folder: "\(folder ?? "")/cache"))
            }
            let own = "\(folder)/own"
            try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
            let fingerprint = run.fingerprint
            var predictors = SparsityPredictors(of: run.model, rank: 5, fingerprint: fingerprint)
            try PredictorFiles.write(predictors, plans: [], layerCount: 2, type: .float32, to: own)
            let batch = SparseRun.batch()
            let published = try run.train(batch, policy: prepared(run, folder: own).policy)
            let made = try run.train(batch, policy: ScoredSparsity(run.model, plan: plan))
            #expect(published == made)
            #expect(throws: InputError.self) { try prepared(SparseRun("qwen3"), folder: own) }

            predictors.fingerprint = "0123456789abcdef"
            try PredictorFiles.write(predictors, plans: [], layerCount: 2, type: .float32, to: own)
            #expect(throws: InputError.self) { try prepared(run, folder: own) }
            predictors.fingerprint = nil
            predictors.attention[1] = nil
            try PredictorFiles.write(predictors, plans: [], layerCount: 2, type: .float32, to: own)
            #expect(throws: InputError.self) { try prepared(run, folder: own) }
        }
    }
}
