import type { Model } from './history.ts'

/** A compare-and-set register, with null before the first write. */
export type RegisterInput =
  | { readonly f: 'read' }
  | { readonly f: 'write'; readonly value: number }
  | { readonly f: 'cas'; readonly from: number; readonly to: number }

export type RegisterOutput = { readonly value: number | null } | { readonly ok: boolean }

export const register: Model<RegisterInput, RegisterOutput, number | null> = {
  partition: () => 'register',
  initial: null,
  key: (state) => String(state),
  step: (state, input, output) => {
    switch (input.f) {
      case 'read':
        return output === null || (output as { value: number | null }).value === state ? { state } : null
      case 'write':
        return { state: input.value }
      case 'cas': {
        const ok = state === input.from
        if (output !== null && (output as { ok: boolean }).ok !== ok) return null
        return { state: ok ? input.to : state }
      }
    }
  },
  describe: (input, output) => `${JSON.stringify(input)} -> ${JSON.stringify(output)}`,
}

/** Strings by key, "" before the first write. */
export type StringsInput = { readonly key: string } & (
  | { readonly f: 'get' }
  | { readonly f: 'put'; readonly value: string }
  | { readonly f: 'append'; readonly value: string }
)

export const strings: Model<StringsInput, string, string> = {
  partition: ({ key }) => key,
  initial: '',
  key: (state) => state,
  step: (state, input, output) => {
    switch (input.f) {
      case 'get':
        return output === null || output === state ? { state } : null
      case 'put':
        return { state: input.value }
      case 'append':
        return { state: state + input.value }
    }
  },
  describe: (input, output) => `${input.f} ${'value' in input ? input.value : ''} -> ${output ?? '?'}`,
}
