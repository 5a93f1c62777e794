// What people come for, from end to end, and what they keep when a service dies on the way.
import { expect, test, type Browser, type Page } from '@playwright/test'
import { demo, environment, type Login } from './support/environment.ts'
import { createPerson, deleteCreated, deletePerson, loginOf } from './support/keycloak.ts'
import { balance, complete, createTask, entriesOf, open, performerOf } from './support/pages.ts'
import { kill, start } from './support/services.ts'

test.afterEach(deleteCreated)

/** A page of somebody else, with cookies of its own. */
async function pageOf(browser: Browser, person: Login): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  await open(page, environment().tasks_url, person)
  return page
}

/** A fee is 10.00 to 20.00, a reward 20.00 to 40.00. */
function expectFeeAndReward(amounts: readonly number[]): void {
  const [fee, reward] = [...amounts].sort((a, b) => a - b)
  expect(amounts).toHaveLength(2)
  expect(fee).toBeGreaterThanOrEqual(-2_000)
  expect(fee).toBeLessThanOrEqual(-1_000)
  expect(reward).toBeGreaterThanOrEqual(2_000)
  expect(reward).toBeLessThanOrEqual(4_000)
}

test('somebody new files a task, its performer does it and finds fee and reward on their account', async ({ browser }) => {
  const nora = await createPerson('Nora')
  const page = await pageOf(browser, nora)
  const title = `Label the shelves ${nora.username}`
  const address = await createTask(page, title, 'All of *them*.')
  const name = await performerOf(page)

  const performer = name === nora.name ? nora : await loginOf(name)
  const theirs = await pageOf(browser, performer)
  await open(theirs, `${environment().finance_url}/me`, performer)
  await entriesOf(theirs, title, 1)
  await complete(theirs, address)
  expectFeeAndReward(await entriesOf(theirs, title, 2))
})

test('a person who is drawn at random is an employee, never a manager or an administrator', async ({ browser }) => {
  const page = await pageOf(browser, demo('mike'))
  for (let round = 0; round < 5; round += 1) {
    await createTask(page, `Who gets it, round ${round}, ${Date.now().toString(36)}`)
    const { username } = await loginOf(await performerOf(page))
    expect(['ann', 'mike']).not.toContain(username)
  }
})

test('the board shows what a task costs and pays as soon as Finance has priced it', async ({ browser }) => {
  const page = await pageOf(browser, demo('sam'))
  await createTask(page, `Price me ${Date.now().toString(36)}`)
  await expect(async () => {
    await page.reload()
    await expect(page.getByRole('term').filter({ hasText: 'Reward when done' })).toBeVisible({ timeout: 1_000 })
  }).toPass()
})

test('nothing is lost or doubled when finance-service is killed on the way', async ({ browser }) => {
  const { finance_url } = environment()
  const olga = demo('olga')
  const hers = await pageOf(browser, olga)
  await open(hers, `${finance_url}/me`, olga)
  const before = await balance(hers)
  const mikes = await pageOf(browser, demo('mike'))
  const unique = Date.now().toString(36)

  const first = `Given before the crash ${unique}`
  const firstAddress = await createTask(mikes, first, '', 'Olga')
  kill('finance-service')
  const second = `Given during the outage ${unique}`
  const secondAddress = await createTask(mikes, second, '', 'Olga')
  await complete(hers, firstAddress)
  await complete(hers, secondAddress)
  start('finance-service')

  await open(hers, `${finance_url}/me`, olga)
  const amounts = [...(await entriesOf(hers, first, 2)), ...(await entriesOf(hers, second, 2))]
  expectFeeAndReward(amounts.slice(0, 2))
  expectFeeAndReward(amounts.slice(2))
  expect(await balance(hers)).toBe(amounts.reduce((sum, amount) => sum + amount, before))
})

test('somebody who is deleted in Keycloak is out at once, and their open tasks go to others', async ({ browser }) => {
  const rita = await createPerson('Rita')
  const page = await pageOf(browser, rita)
  const mikes = await pageOf(browser, demo('mike'))
  const address = await createTask(mikes, `Left behind ${rita.username}`, '', rita.name)
  await deletePerson(rita)
  await expect(async () => {
    await page.goto(environment().tasks_url)
    await expect(page.getByRole('navigation', { name: 'Work' })).toHaveCount(0, { timeout: 1_000 })
  }).toPass()
  await expect(async () => {
    await mikes.goto(address)
    expect(await performerOf(mikes)).not.toBe(rita.name)
  }).toPass()
})
