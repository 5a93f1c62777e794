// Messages that no service would send, put in by the broker's administrator.
import { environment } from './environment.ts'

/** Publishes `body` to the exchange of a service, and demands that a queue takes it. */
export async function publish(exchange: string, key: string, body: unknown): Promise<void> {
  const management = new URL(environment().rabbitmq_management_url)
  const { username, password } = new URL(environment().amqp_url.replace(/^amqp:/, 'http:'))
  const answer = await fetch(new URL(`/api/exchanges/%2F/${exchange}/publish`, management), {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      properties: { message_id: crypto.randomUUID(), delivery_mode: 2 },
      routing_key: key,
      payload: JSON.stringify(body),
      payload_encoding: 'string',
    }),
  })
  const { routed } = (await answer.json()) as { routed?: boolean }
  if (routed !== true) throw new Error(`${exchange} did not take ${key}: ${answer.status}`)
}
