// Predictors kept between runs, beside the fingerprint of the model that they were made from.

import Checkpoints
package import FileSupport
internal import Foundation
package import Models
import TensorEngine

/// A folder of predictor folders. Each is named by the model's fingerprint, the rank and the type of the weights, so
/// nothing in it is ever out of date.
package struct PredictorCache {
    package let folder: String

    package init(folder: String) { self.folder = folder }

    /// `$SPARSELORA_CACHE/predictors`, or `sparselora/predictors` in the user's cache folder.
    ///
    /// - Throws: `InputError` when the environment names no such folder.
    package static func standard(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(InputError) -> PredictorCache {
        func folder(_ variable: String, _ path: String) -> PredictorCache? {
            environment[variable].flatMap { $0.isEmpty ? nil : PredictorCache(folder: "\($0)/\(path)") }
        }
        guard
            let cache = folder("SPARSELORA_CACHE", "predictors")
                ?? folder("XDG_CACHE_HOME", "sparselora/predictors")
                ?? folder("HOME", ".cache/sparselora/predictors")
        else {
            throw InputError(
                "predictor cache", "the environment names no home folder",
                advice: "Set SPARSELORA_CACHE to a folder.")
        }
        return cache
    }

    package enum Origin: Equatable, Sendable {
        case cache
        case made
        /// What was in the cache could not be read.
        case remade(InputError)
    }

    /// A model's predictors, read from the cache or made and put there.
    ///
    /// Kept in f32, so that a run that reads them goes on exactly as one that made them.
    /// - Parameters:
    ///   - fingerprint: the model's, see `ModelFingerprint`.
    ///   - rank: of every factor.
    /// - Throws: `InputError` when the cache cannot be written.
    package func predictors(
        of model: CausalLM, fingerprint: String, rank: Int
    ) throws(InputError) -> (predictors: SparsityPredictors, origin: Origin) {
        let folder = "\(folder)/\(fingerprint)-r\(rank)-\(model.computeType.rawValue)"
        var origin = Origin.made
        if FileStatus(path: "\(folder)/\(PredictorFiles.configuration)") != .missing {
            do throws(InputError) {
                return (try read(folder, model, fingerprint: fingerprint, rank: rank), .cache)
            } catch {
                origin = .remade(error)
            }
        }
        let predictors = SparsityPredictors(of: model, rank: rank, fingerprint: fingerprint)
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw InputError(
                folder, "cannot create the folder: \(error.localizedDescription)",
                advice: "Set SPARSELORA_CACHE to a folder that can be written.")
        }
        try PredictorFiles.write(
            predictors, plans: [], layerCount: model.configuration.layerCount, type: .float32, to: folder)
        return (predictors, origin)
    }

    private func read(
        _ folder: String, _ model: CausalLM, fingerprint: String, rank: Int
    ) throws(InputError) -> SparsityPredictors {
        let predictors = try PredictorFiles.read(folder, for: model.configuration, fingerprint: fingerprint)
        let layers = Array(0..<model.configuration.layerCount)
        try predictors.check(feedForwardLayers: layers, attentionLayers: layers)
        guard predictors.rank == rank, predictors.fingerprint == fingerprint else {
            throw InputError(
                folder, expected: "rank \(rank) of model \(fingerprint)",
                found: "rank \(predictors.rank) of model \(predictors.fingerprint ?? "unknown")")
        }
        return predictors
    }
}
