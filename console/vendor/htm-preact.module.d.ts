// The types of what the console uses of htm/preact/standalone.module.js.
export type VNode = any;
export type Ref<T> = { current: T };
export type Context<T> = { Provider: (props: { value: T; children?: any }) => VNode };
export function h(type: any, props?: any, ...children: any[]): VNode;
export function html(strings: TemplateStringsArray, ...values: any[]): VNode;
export function render(vnode: VNode, parent: Element): void;
export function createContext<T>(value: T): Context<T>;
export function useState<T>(initial: T | (() => T)): [T, (next: T | ((old: T) => T)) => void];
export function useState<T = undefined>(): [T | undefined, (next: T | undefined) => void];
export function useReducer<S, A>(reducer: (state: S, action: A) => S, initial: S): [S, (action: A) => void];
export function useEffect(effect: () => void | (() => void), inputs?: readonly any[]): void;
export function useLayoutEffect(effect: () => void | (() => void), inputs?: readonly any[]): void;
export function useRef<T>(initial: T): Ref<T>;
export function useMemo<T>(make: () => T, inputs: readonly any[]): T;
export function useCallback<F extends Function>(callback: F, inputs: readonly any[]): F;
export function useContext<T>(context: Context<T>): T;
export function useErrorBoundary(callback?: (error: any) => void): [any, () => void];
export class Component<P = any, S = any> {
  props: P;
  state: S;
  setState(state: Partial<S>): void;
  forceUpdate(): void;
}
