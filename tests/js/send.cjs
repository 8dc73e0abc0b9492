// Sends spans as an agent in JavaScript would, with several exporters side by side:
//   node send.cjs KIND URL SPANS COMPRESSION
// Prints as JSON how many spans of each trace were acknowledged, and how often an exporter tried again.
'use strict'

const { context, diag, trace, DiagLogLevel } = require('@opentelemetry/api')
const { resourceFromAttributes } = require('@opentelemetry/resources')
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base')

const SENDERS = 4
const SPANS_A_TRACE = 10
const PATIENCE_MS = 60_000 // more than by default, as the machine may be busy with other tests
const [kind, url, spans, compression] = process.argv.slice(2)
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${kind}`)

const acknowledged = {}
const failures = []
let retries = 0

diag.setLogger(
  {
    verbose: text => { retries += text.startsWith('Scheduling export retry') ? 1 : 0 },
    debug: () => {},
    info: () => {},
    warn: text => failures.push(text),
    error: text => failures.push(text)
  },
  DiagLogLevel.ALL
)

// Notes what the real exporter says of each batch.
function noting (exporter) {
  return {
    export: (batch, done) => exporter.export(batch, result => {
      if (result.code === 0) {
        for (const span of batch) {
          const id = span.spanContext().traceId
          acknowledged[id] = (acknowledged[id] ?? 0) + 1
        }
      } else failures.push(String(result.error))
      done(result)
    }),
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown()
  }
}

async function main () {
  const providers = Array.from({ length: SENDERS }, () => new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'desk', 'taketwo.project': 'js' }),
    spanProcessors: [
      new BatchSpanProcessor(noting(new OTLPTraceExporter({ url, compression, timeoutMillis: PATIENCE_MS })), {
        exportTimeoutMillis: PATIENCE_MS,
        maxQueueSize: Number(spans)
      })
    ]
  }))
  for (let sent = 0; sent < Number(spans); sent += SPANS_A_TRACE) {
    const tracer = providers[(sent / SPANS_A_TRACE) % SENDERS].getTracer('test')
    const root = tracer.startSpan('turn', { attributes: { 'session.id': 'js', note: 'x'.repeat(300) } })
    const inside = trace.setSpan(context.active(), root)
    for (let step = 1; step < SPANS_A_TRACE; step += 1) {
      tracer.startSpan('step', { attributes: { note: 'x'.repeat(300) } }, inside).end()
    }
    root.end()
  }
  await Promise.all(providers.map(provider => provider.forceFlush()))
  await Promise.all(providers.map(provider => provider.shutdown()))
  console.log(JSON.stringify({ acknowledged, retries, failures }))
}

main().catch(error => { console.error("failed:", error, failures, retries); process.exitCode = 1 })
