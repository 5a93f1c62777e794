// The mail catcher: what Keycloak wrote to somebody.
import { expect } from '@playwright/test'
import { environment } from './environment.ts'

interface Mail {
  readonly subject: string
  readonly text: string
  readonly html: string
  readonly to: readonly { readonly address: string }[]
}

async function mailsTo(address: string): Promise<Mail[]> {
  const mails = (await (await fetch(`${environment().mail_url}/email`)).json()) as Mail[]
  return mails.filter(({ to }) => to.some((one) => one.address === address))
}

/** The mail with that subject to somebody, once it has come. */
export async function mailTo(address: string, subject: string): Promise<Mail> {
  let found: Mail | undefined
  await expect(async () => {
    found = (await mailsTo(address)).find((mail) => mail.subject === subject)
    expect(found).toBeDefined()
  }).toPass()
  return found as unknown as Mail
}

/** The one address in the text of a mail. */
export function linkIn({ text }: Mail): string {
  const [link] = /https?:\/\/\S+/.exec(text) ?? []
  if (link === undefined) throw new Error(`no link in: ${text}`)
  return link
}
